"""Events that drivers feed to the two machines.

Each event carries `now_ns`, a reading of its own node's clock. A driver feeds the events of a
machine in the order of `now_ns`. It feeds exactly one end for each StartLocal (LocalDone,
LocalAborted or LocalFailed), Encode (Encoded or EncodeFailed) and SendToCloud (CloudReplied,
CloudRefused, CloudStopped or CloudLost).
"""

from __future__ import annotations

from enum import Enum

from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import ExitRule, Prediction, Task
from mc_sched.core.value import value


class TimerKind(str, Enum):
    """Reason for a timer of the edge machine."""

    FALLBACK = "fallback"
    DEADLINE = "deadline"
    PROBE = "probe"
    """Timer of the machine, not of a task: its task_id is empty."""


# --- edge -----------------------------------------------------------------------------------


@value
class Submitted:
    """A validated, preprocessed task has arrived."""

    now_ns: int
    task: Task


@value
class LocalStarted:
    """The local executor has started to run this task."""

    now_ns: int
    task_id: str


@value
class LocalLayerDone:
    """The local executor has finished layer `layer` (from 0) of the local net."""

    now_ns: int
    task_id: str
    layer: int


@value
class LocalDone:
    """The local executor has finished this task."""

    now_ns: int
    task_id: str
    prediction: Prediction


@value
class LocalAborted:
    """The local executor has stopped this task between two layers, as AbortLocal requested."""

    now_ns: int
    task_id: str


@value
class LocalFailed:
    """The local executor could not finish this task."""

    now_ns: int
    task_id: str
    reason: str


@value
class Encoded:
    """The encoder has made the task's payload in `took_ns`."""

    now_ns: int
    task_id: str
    took_ns: int


@value
class EncodeFailed:
    """The encoder could not make this task's payload."""

    now_ns: int
    task_id: str
    reason: str


@value
class CloudAccepted:
    """The whole payload has arrived in the cloud, and an exit was chosen for it.

    `predicted_ns` is the cloud's own forecast until its reply leaves, `queue_ns` the wait in it.
    `held_ns` passed in the cloud between the payload's last byte and this message, `transfer_ns`
    between the payload's first part and its last byte.
    """

    now_ns: int
    task_id: str
    exit: str
    predicted_ns: int
    queue_ns: int
    held_ns: int = 0
    transfer_ns: int = 0


@value
class CloudRefused:
    """The cloud cannot serve this task; `reason` is its sentence."""

    now_ns: int
    task_id: str
    reason: str


@value
class CloudProgressed:
    """The cloud has finished a stage; `remaining_ns` is its forecast until the reply leaves."""

    now_ns: int
    task_id: str
    stage: int
    remaining_ns: int


@value
class CloudReplied:
    """The cloud's answer. `compute_ns` is the time its executor worked for this task.

    `queue_ns` is the work now waiting in the cloud; `slowdown` is measured over profiled time.
    `held_ns` passed in the cloud between its acceptance and this message; 0 if not reported.
    """

    now_ns: int
    task_id: str
    exit: str
    prediction: Prediction
    compute_ns: int
    queue_ns: int
    slowdown: float
    reply_bytes: int
    held_ns: int = 0


@value
class CloudStopped:
    """The cloud has stopped this task: it was given up, became infeasible, or `failed`."""

    now_ns: int
    task_id: str
    reason: str
    compute_ns: int = 0
    failed: bool = False


@value
class CloudLost:
    """The call that carried this task has ended without an answer."""

    now_ns: int
    task_id: str
    reason: str


@value
class CloudReached:
    """A cloud agent with the same bundle has answered: its link can be probed."""

    now_ns: int


@value
class CloudFound:
    """The cloud agent that was reached has answered a probe and takes tasks; its tables."""

    now_ns: int
    table: CloudTable


@value
class CloudGone:
    """No cloud agent can be used now: unreachable, draining, or another bundle."""

    now_ns: int
    reason: str


@value
class LinkSampled:
    """A probe was answered after `rtt_ns`.

    On the edge, it brings the cloud's load; `held_ns` of the round trip passed in the cloud, and
    the padding was `up_bytes` and `down_bytes`. In the cloud, the edge `edge_id` has reported it.
    """

    now_ns: int
    rtt_ns: int
    queue_ns: int = 0
    slowdown: float = 1.0
    edge_id: str = ""
    held_ns: int = 0
    up_bytes: int = 0
    down_bytes: int = 0


@value
class ProbeLost:
    """A probe was not answered in time, but the cloud agent does not count as gone yet."""

    now_ns: int
    reason: str


@value
class DeviceSampled:
    """The share of the device that other programs use, in [0, 1], as a sensor measures it."""

    now_ns: int
    busy: float


@value
class PowerSampled:
    """The edge's mean power since the last sample, in watts, as the sensor `source` measures it."""

    now_ns: int
    power_w: float
    source: str


@value
class TimerFired:
    """A timer that the machine has set is due."""

    now_ns: int
    task_id: str
    kind: TimerKind


@value
class ClientGone:
    """The task's client no longer waits for it; the cloud's client is the edge."""

    now_ns: int
    task_id: str


@value
class NotSatisfied:
    """The user rejects the answer to `task_id`: raise the stream's QoR and run the image again.

    The new task `again` has the same image and a fresh deadline.
    """

    now_ns: int
    task_id: str
    again: Task


@value
class Drain:
    """Refuse new tasks from now on; open ones finish."""

    now_ns: int


@value
class EdgeReconfigured:
    """Use other settings from now on, except for the energy model."""

    now_ns: int
    settings: EdgeSettings


EdgeEvent = (
    Submitted | LocalStarted | LocalLayerDone | LocalDone | LocalAborted | LocalFailed
    | Encoded | EncodeFailed
    | CloudAccepted | CloudRefused | CloudProgressed | CloudReplied | CloudStopped | CloudLost
    | CloudReached | CloudFound | CloudGone | LinkSampled | ProbeLost | DeviceSampled | PowerSampled
    | TimerFired | ClientGone | NotSatisfied | EdgeReconfigured | Drain
)  # fmt: skip

# --- cloud ----------------------------------------------------------------------------------


@value
class Received:
    """The last byte of a task's payload has arrived.

    `budget_ns` is the time that is left until the reply must be back on the edge. `reply_in_ns` is
    the time that is left until the edge may fall back to the local net; None if it will not.
    `down_ns` is the edge's forecast of the downlink time. `transfer_ns` is the part of the upload
    that this node saw, from the first part of the payload to its last byte.
    """

    now_ns: int
    task_id: str
    edge_id: str
    accuracy: float
    budget_ns: int
    down_ns: int
    codec: str = "jpeg"
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    reply_in_ns: int | None = None
    transfer_ns: int = 0


@value
class Decoded:
    """The decoder has turned a task's payload into an input of the cloud net in `took_ns`."""

    now_ns: int
    task_id: str
    took_ns: int


@value
class DecodeFailed:
    """The decoder could not decode a task's payload.

    `invalid`: the payload is damaged or of another format; otherwise the decoder is at fault.
    """

    now_ns: int
    task_id: str
    reason: str
    invalid: bool


@value
class StageDone:
    """The executor has finished stage `stage` for these tasks after `took_ns`."""

    now_ns: int
    task_ids: tuple[str, ...]
    stage: int
    took_ns: int


@value
class HeadDone:
    """The executor has finished the head of exit `exit` for this task."""

    now_ns: int
    task_id: str
    exit: str
    prediction: Prediction
    took_ns: int


@value
class ExecutorFailed:
    """The executor could not run a stage or head for this task."""

    now_ns: int
    task_id: str
    reason: str


@value
class GiveUpReceived:
    """The edge's instruction to stop working on a task."""

    now_ns: int
    task_id: str


@value
class CloudReconfigured:
    """Other settings from now on."""

    now_ns: int
    settings: CloudSettings


CloudEvent = (
    Received | Decoded | DecodeFailed | StageDone | HeadDone | ExecutorFailed | GiveUpReceived
    | ClientGone | LinkSampled | CloudReconfigured | Drain
)  # fmt: skip
