"""One task on the edge: its two legs, its local run, its offload, its timers and its story."""

from __future__ import annotations

from typing import TypeVar

from mc_sched.core.energy.ledger import Part, Work
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.forecasts.trial import Trial
from mc_sched.core.policy import CloudForecast, LocalFirst, Offload
from mc_sched.core.scores import Forecast, Score, format_story_line
from mc_sched.core.task import Outcome, Prediction, Site, Task
from mc_sched.core.transitions import (
    CLOUD_LEG,
    LOCAL_LEG,
    QUIET_CLOUD,
    QUIET_LOCAL,
    CloudLeg,
    LocalLeg,
)
from mc_sched.core.value import value

LegT = TypeVar("LegT", LocalLeg, CloudLeg)


@value
class DeviceNet:
    """The network that a task runs on this device if it runs locally."""

    exit: str
    """Exit of the cloud net up to which it runs; empty for the local net."""
    profiled_ns: int
    """Profiled time of the cloud net up to that exit; 0 for the local net."""


LOCAL_NET = DeviceNet("", 0)


class LocalRun:
    """A run on the device, from the local queue to its end."""

    __slots__ = ("expected", "queued_ns", "started_ns", "took_ns")

    def __init__(self, queued_ns: int, expected: Forecast) -> None:
        self.queued_ns = queued_ns
        self.expected = expected
        """Forecast at `queued_ns` of the time until the answer, waiting included."""
        self.started_ns: int | None = None
        self.took_ns: int | None = None
        """Time from its start until it ended or was aborted."""

    def work(self, until_ns: int | None) -> Work | None:
        """The device time it took, or has taken until `until_ns` if it is still running."""
        if self.started_ns is None:
            return None
        took_ns = self.took_ns if until_ns is None else until_ns - self.started_ns
        return Work(Part.COMPUTE, self.started_ns, self.started_ns + took_ns) if took_ns else None


class Encoding:
    """The making of an offload's payload by the encoder."""

    __slots__ = ("expected", "started_ns", "took_ns")

    def __init__(self, started_ns: int, expected: Forecast) -> None:
        self.started_ns, self.expected = started_ns, expected
        self.took_ns: int | None = None
        """Time that the encoder worked on it, or had worked when the payload was withdrawn."""

    def work(self, until_ns: int | None) -> Work | None:
        """The device time it took, or has taken until `until_ns` if it is still running."""
        took_ns = self.took_ns if until_ns is None else until_ns - self.started_ns
        return Work(Part.ENCODE, self.started_ns, self.started_ns + took_ns) if took_ns else None


class Upload:
    """The transfer of an offload's payload."""

    __slots__ = ("air_ns", "bytes_sent", "expected", "paid_ns", "sent_ns", "tail_j")

    def __init__(self, sent_ns: int, expected: Forecast, tail_j: float) -> None:
        self.sent_ns = sent_ns
        self.expected = expected
        """Forecast of the time until the cloud's acceptance."""
        self.tail_j = tail_j
        """Joules that the upload and its reply have added to the radio's tail."""
        self.bytes_sent = 0
        self.air_ns = 0
        """Time the radio sent for this task, from its first byte to its last."""
        self.paid_ns = 0
        """The task's share of the radio's time, which simultaneous uploads split."""


class Acceptance:
    """The cloud's acceptance of an offload."""

    __slots__ = ("at_ns", "expected_at_ns", "queue_ns")

    def __init__(self, at_ns: int, queue_ns: int, expected_at_ns: int) -> None:
        self.at_ns, self.queue_ns = at_ns, queue_ns
        self.expected_at_ns = expected_at_ns
        """Moment of the answer, by the cloud's latest message."""


class OffloadAttempt:
    """An offload of a task, from the uplink's queue to its end."""

    __slots__ = (
        "acceptance", "compute_ns", "credit_since_ns", "encoding", "has_payload", "is_given_up",
        "is_scored", "offload", "options", "payload_bytes", "queued_ns", "reply_air_ns",
        "reply_by_ns", "upload",
    )  # fmt: skip

    def __init__(
        self,
        offload: Offload,
        options: tuple[CloudForecast, ...],
        payload_bytes: int,
        queued_ns: int,
        reply_by_ns: int,
    ) -> None:
        self.offload = offload
        self.options = options
        """Forecasts of every exit and codec at the decision."""
        self.payload_bytes = payload_bytes
        self.queued_ns = queued_ns
        self.reply_by_ns = reply_by_ns
        """The deadline, or the latest start of the fallback if the cloud is to reply before it."""
        self.encoding: Encoding | None = None
        self.has_payload = False
        """True once the encoder has made the payload."""
        self.upload: Upload | None = None
        self.acceptance: Acceptance | None = None
        self.is_given_up = False
        self.is_scored = False
        """True once its end has been compared with its forecast."""
        self.credit_since_ns: int | None = None
        """First moment at which it could have been sent but had no credit."""
        self.compute_ns = 0
        """Time the cloud computed, as far as it reported."""
        self.reply_air_ns = 0
        """Time the radio received the reply; 0 without one."""

    @property
    def requested(self) -> CloudForecast | None:
        """The forecast of the exit that the offload asks for."""
        codec, accuracy = self.offload.codec, self.offload.accuracy
        for option in self.options:
            if option.codec == codec and option.accuracy >= accuracy:
                return option
        return None

    @property
    def waits_for_credit(self) -> bool:
        """True if its forecasts contain a wait for a credit, which is only a rough guess."""
        return any(option.credit_upper_ns for option in self.options)


class EdgeTask:
    """State of one task from its submission until both legs are closed."""

    def __init__(self, task: Task, accuracy: float) -> None:
        self.task = task
        self.accuracy = accuracy
        """The QoR it has to meet, after the stream's feedback."""
        self.local: LocalLeg = LocalLeg.IDLE
        self.cloud: CloudLeg = CloudLeg.IDLE
        self.outcome: Outcome | None = None
        self.trial: Trial | None = None
        """The forecasts by which it is tried; None if it is no trial."""
        self.net = LOCAL_NET
        self.run: LocalRun | None = None
        """The task's latest local run."""
        self.first_run: LocalRun | None = None
        """The run of the local net, if the cloud net runs on the device after it."""
        self.attempt: OffloadAttempt | None = None
        self.local_first: LocalFirst | None = None
        """Set if the local net's answer decides whether a larger network follows."""
        self.unsure: Prediction | None = None
        """The local net's answer, if it was not sure enough."""
        self.predicted_ns: int | None = None
        """Latency that was predicted at the decision; None if it was refused."""
        self.total: Score | None = None
        """Forecast and actual time of the site that answered."""
        self.timers: set[TimerKind] = set()
        self.story: list[tuple[int, str | Score]] = []

    @property
    def open(self) -> bool:
        """True while it has no outcome."""
        return self.outcome is None

    @property
    def over(self) -> bool:
        """True if nothing can happen to it any more."""
        return self.outcome is not None and self.local in QUIET_LOCAL and self.cloud in QUIET_CLOUD

    def is_trial_of(self, site: Site) -> bool:
        """True if it tests this site, which the measurements call too slow for it."""
        return self.trial is not None and self.trial.tests(site)

    @property
    def codec(self) -> str:
        """The codec of its offload; empty if it is not offloaded."""
        return "" if self.attempt is None else self.attempt.offload.codec

    @property
    def offloaded(self) -> OffloadAttempt:
        """The task's offload, for events and states that only an offloaded task has."""
        assert self.attempt is not None, "not offloaded"
        return self.attempt

    def work(self, now_ns: int) -> tuple[Work, ...]:
        """Work on the device until now: encoding the image, local runs, making the payload."""
        works: list[Work | None] = []
        if self.first_run is not None:
            works.append(self.first_run.work(None))
        if self.task.encoding_ns > 0:
            start_ns = self.task.submitted_ns
            works.append(Work(Part.ENCODE, start_ns, start_ns + self.task.encoding_ns))
        if self.attempt is not None and self.attempt.encoding is not None:
            is_encoding = self.cloud is CloudLeg.ENCODING
            works.append(self.attempt.encoding.work(now_ns if is_encoding else None))
        if self.run is not None:
            works.append(self.run.work(now_ns if self.local is LocalLeg.RUNNING else None))
        return tuple(work for work in works if work is not None)

    def move_local(self, move: str) -> None:
        """Move the local leg; an unlisted move raises UnexpectedEvent with the story."""
        self.local = self._moved(LOCAL_LEG, self.local, move)

    def move_cloud(self, move: str) -> None:
        """Move the cloud leg; an unlisted move raises UnexpectedEvent with the story."""
        self.cloud = self._moved(CLOUD_LEG, self.cloud, move)

    def is_unsure(self, prediction: Prediction) -> bool:
        """True if this is the first answer of a local-first task and not sure enough."""
        first = self.local_first if self.unsure is None else None
        return first is not None and prediction.entropy > first.threshold.entropy

    def continue_after(self, prediction: Prediction) -> None:
        """Keep the local net's unsure answer and its run; another run may follow."""
        self.unsure, self.first_run, self.run = prediction, self.run, None

    def _moved(self, table: dict[LegT, dict[str, LegT]], leg: LegT, move: str) -> LegT:
        try:
            return table[leg][move]
        except KeyError:
            state = f"local={self.local.value} cloud={self.cloud.value} open={self.open}"
            raise UnexpectedEvent("edge", state, move, self.format_story()) from None

    def format_story(self) -> tuple[str, ...]:
        """The story so far, one line per event, with times since submission."""
        start = self.task.submitted_ns
        head = f"{self.task.task_id}: deadline {self.task.deadline_ns / 1e6:.1f} ms"
        return (
            head,
            *(
                f"{(at - start) / 1e6:8.2f} ms  {format_story_line(what)}"
                for at, what in self.story
            ),
        )
