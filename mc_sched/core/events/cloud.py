"""Events of the cloud machine."""

from __future__ import annotations

from mc_sched.core.events.shared import ClientGone, Drain, LinkSampled
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule, Prediction
from mc_sched.core.value import value


@value
class Received:
    """The last byte of a task's payload has arrived.

    `budget_ns` is the time that is left until the reply must be back on the edge. `reply_in_ns` is
    the time that is left until the edge may fall back to the local net; None if it will not.
    `down_ns` is the edge's forecast of the downlink time. `transfer_ns` is the part of the upload
    that this node saw, from the first part of the payload to its last byte. `wanted` is the number
    of further tasks that the edge would send now if it had credits.
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
    wanted: int = 0


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
    """The executor has finished the head of exit `exit` for these tasks after `took_ns`.

    `predictions` are in the order of `task_ids`.
    """

    now_ns: int
    task_ids: tuple[str, ...]
    exit: str
    predictions: tuple[Prediction, ...]
    took_ns: int


@value
class ExecutorFailed:
    """The executor could not run a stage or head for these tasks."""

    now_ns: int
    task_ids: tuple[str, ...]
    reason: str


@value
class GiveUpReceived:
    """The edge's instruction to stop working on a task."""

    now_ns: int
    task_id: str


@value
class EdgeJoined:
    """An edge has opened a session; it may send tasks once it is granted credits."""

    now_ns: int
    edge_id: str


@value
class EdgeLeft:
    """The session of an edge has ended; ClientGone has come for each of its open tasks."""

    now_ns: int
    edge_id: str


@value
class CreditsWanted:
    """The edge has `wanted` tasks that it would send now if it had credits."""

    now_ns: int
    edge_id: str
    wanted: int


@value
class CloudReconfigured:
    """Other settings from now on."""

    now_ns: int
    settings: CloudSettings


CloudEvent = (
    Received | Decoded | DecodeFailed | StageDone | HeadDone | ExecutorFailed | GiveUpReceived
    | ClientGone | LinkSampled | EdgeJoined | EdgeLeft | CreditsWanted | CloudReconfigured | Drain
)  # fmt: skip
