"""Tasks, their constraints and their outcomes."""

from __future__ import annotations

from enum import Enum

from mc_sched.core.scores import Score
from mc_sched.core.value import value

MAX_DEADLINE_NS = 60_000_000_000
"""Longest deadline allowed; it bounds every queue and every stored payload."""


class Site(str, Enum):
    """A site that runs tasks."""

    EDGE = "edge"
    CLOUD = "cloud"


class Mode(str, Enum):
    """Preference when both sites can serve a task."""

    PERFORMANCE = "performance"
    ENERGY = "energy"


class Privacy(str, Enum):
    """Limit on what may leave the device: nothing, noisy features, or the image."""

    EDGE_ONLY = "edge-only"
    FEATURES = "features"
    ANY = "any"

    def allows(self, codec: str) -> bool:
        """Return True if an image encoded by `codec` may leave the device."""
        if self is Privacy.ANY:
            return True
        return self is Privacy.FEATURES and codec == "features"


class ExitRule(str, Enum):
    """Rule for the cloud's reply once the target exit is reached (Algorithm II, step 3)."""

    EARLIEST = "earliest"
    PURSUE = "pursue"
    ADAPTIVE = "adaptive"


class OutcomeKind(str, Enum):
    """The kinds of outcome; each task has exactly one."""

    SUCCEEDED = "succeeded"
    LATE = "late"
    REFUSED = "refused"
    FAILED = "failed"


class RefusalCode(str, Enum):
    """Reason for a refusal that programs can match; the outcome's `reason` is for people."""

    INFEASIBLE = "infeasible"
    """No site meets the task's constraints."""
    TOO_MANY_TASKS = "too-many-tasks"
    """The agent's limit of open tasks is reached."""
    DRAINING = "draining"
    """The agent is shutting down; the task can be submitted again when it is back."""
    DUPLICATE_ID = "duplicate-id"
    """A task of the same id is still being stopped."""
    PRIVACY = "privacy"
    """The policy would send a payload that the task's privacy forbids."""
    NO_CREDIT = "no-credit"
    """The client or edge has no credit for another task at present."""
    CLOUD = "cloud"
    """The cloud refused it, and the edge could not run it in time."""


@value
class Task:
    """One image with its constraints. The driver keeps the image itself.

    `submitted_ns` is on the edge's clock: the moment when the client sent the task, as the driver
    estimates it. The deadline counts from it. `accuracy` is the least acceptable expected accuracy
    in [0, 1], or None for the stream's basic QoR.
    """

    task_id: str
    stream_id: str
    submitted_ns: int
    deadline_ns: int
    accuracy: float | None = None
    mode: Mode | None = None
    policy: str | None = None
    privacy: Privacy = Privacy.ANY
    payload_bytes: dict[str, int] | None = None
    """Size of the encoded image by codec, in bytes."""
    encoding_ns: int = 0
    """Time that encoding the image took before the task was submitted."""
    trace_id: str = ""
    """Id of its trace, which appears in logs only."""
    return_ns: int = 0
    """Part of the deadline that the outcome needs to return to the client."""

    @property
    def due_ns(self) -> int:
        """The moment on the edge's clock at which the outcome must leave to meet the deadline."""
        return self.submitted_ns + self.deadline_ns - self.return_ns

    @property
    def may_leave(self) -> bool:
        """True if its privacy allows any of its payloads to leave the device."""
        if self.privacy is Privacy.ANY:
            return True
        return any(self.privacy.allows(codec) for codec in self.payload_bytes or ())


@value
class Prediction:
    """A network's answer: up to five (label index, probability), the most likely first.

    `entropy` is the entropy of all classes' probabilities over its maximum, in [0, 1]; 0 is sure.
    """

    top: tuple[tuple[int, float], ...]
    entropy: float = 0.0


class Constraint(str, Enum):
    """The constraint of a task that a site cannot meet."""

    ACCURACY = "accuracy"
    DEADLINE = "deadline"
    PRIVACY = "privacy"
    LINK = "link"
    CAPACITY = "capacity"
    CREDIT = "credit"
    TABLES = "tables"


@value
class Shortfall:
    """A constraint that a site cannot meet.

    `needed` and `offered` are nanoseconds for the deadline and accuracies for the accuracy. For a
    credit, `needed` is the time until one is free and `offered` the longest wait that would do.
    """

    site: Site
    constraint: Constraint
    needed: float
    offered: float

    def sentence(self) -> str:
        """Describe the shortfall for the client."""
        site = self.site.value
        if self.constraint is Constraint.DEADLINE:
            over = (self.needed - self.offered) / 1e6
            return (
                f"{site} needs {self.needed / 1e6:.1f} ms, {self.offered / 1e6:.1f} ms are left: "
                f"{over:.1f} ms too long"
            )
        if self.constraint is Constraint.ACCURACY:
            return f"{site} reaches accuracy {self.offered:.3f}, {self.needed:.3f} is required"
        if self.constraint is Constraint.CREDIT:
            return f"the {site} has no credit free for {self.needed / 1e6:.1f} ms"
        return {
            Constraint.PRIVACY: f"{site} is not allowed by the stream's privacy setting",
            Constraint.LINK: f"{site} is not reachable",
            Constraint.CAPACITY: f"{site} has {self.offered:.0f} tasks waiting, its limit",
            Constraint.TABLES: f"{site} lacks this policy's tables in its bundle; measure them "
            "with `mc-sched evaluate BUNDLE --for-policies`",
        }[self.constraint]


@value
class Energy:
    """Joules that a task cost the edge above idle."""

    compute_j: float = 0.0
    encode_j: float = 0.0
    radio_up_j: float = 0.0
    radio_down_j: float = 0.0
    radio_tail_j: float = 0.0
    """Added to the radio's tail by its transfers; not part of the total."""
    source: str = "model"
    """Source of the joules of computing and encoding: a sensor, the model, or both ("model+rapl").

    The radio's joules are always modelled."""

    @property
    def total_j(self) -> float:
        """Sum of all parts except the tail, in joules."""
        return self.compute_j + self.encode_j + self.radio_up_j + self.radio_down_j


@value
class Outcome:
    """The outcome of a task. `latency_ns` runs from submission to this outcome."""

    task_id: str
    stream_id: str
    kind: OutcomeKind
    latency_ns: int
    site: Site | None = None
    exit: str | None = None
    prediction: Prediction | None = None
    expected_accuracy: float | None = None
    required_accuracy: float = 0.0
    gave_up: bool = False
    reason: str = ""
    refusal: RefusalCode | None = None
    """Set if the task was refused."""
    energy: Energy = Energy()
    bytes_up: int = 0
    cloud_ns: int = 0
    """Time the cloud computed for this task, as far as it reported."""
    predicted_ns: int | None = None
    """Upper quantile of the latency predicted at the decision, for the chosen site."""
    codec: str | None = None
    """Codec under which the image was to leave the device; None if it was not offloaded."""
    total: Score | None = None
    """Forecast and actual time from the decision for the site that answered to its answer."""
