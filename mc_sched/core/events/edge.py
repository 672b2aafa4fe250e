"""Events of the edge machine."""

from __future__ import annotations

from enum import Enum

from mc_sched.core.events.shared import ClientGone, Drain, LinkSampled
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import Prediction, RefusalCode, Task
from mc_sched.core.value import value


class TimerKind(str, Enum):
    """Reason for a timer of the edge machine."""

    FALLBACK = "fallback"
    DEADLINE = "deadline"
    PROBE = "probe"
    """Timer of the machine, not of a task: its task_id is empty."""


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
    code: RefusalCode = RefusalCode.INFEASIBLE


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
    """No answer will come: the session has ended, or the cloud's messages were not valid."""

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
class CreditsGranted:
    """The cloud agent allows this edge to have `credits` tasks open there at a time."""

    now_ns: int
    credits: int


@value
class CloudLoadSampled:
    """The cloud agent's load, as it reports it in the session.

    `queue_ns` is the work now waiting there; `slowdown` is measured over profiled time.
    """

    now_ns: int
    queue_ns: int
    slowdown: float


@value
class CloudGone:
    """No cloud agent can be used: it is unreachable, draining, or has another bundle."""

    now_ns: int
    reason: str


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
class NotSatisfied:
    """The user rejects the answer to `task_id`: raise the stream's QoR and run the image again.

    The new task `again` has the same image and a fresh deadline.
    """

    now_ns: int
    task_id: str
    again: Task


@value
class EdgeReconfigured:
    """Use other settings from now on, except for the energy model."""

    now_ns: int
    settings: EdgeSettings


EdgeEvent = (
    Submitted | LocalStarted | LocalLayerDone | LocalDone | LocalAborted | LocalFailed
    | Encoded | EncodeFailed
    | CloudAccepted | CloudRefused | CloudProgressed | CloudReplied | CloudStopped | CloudLost
    | CloudReached | CloudFound | CreditsGranted | CloudLoadSampled | CloudGone | LinkSampled
    | ProbeLost | DeviceSampled | PowerSampled | TimerFired | ClientGone | NotSatisfied
    | EdgeReconfigured | Drain
)  # fmt: skip
