"""Actions that the two machines request of their drivers, which perform them in order."""

from __future__ import annotations

from mc_sched.core.events import TimerKind
from mc_sched.core.scores import Score
from mc_sched.core.task import ExitRule, Outcome, Prediction, RefusalCode
from mc_sched.core.value import value

# --- both -----------------------------------------------------------------------------------


@value
class RecordScore:
    """Log a forecast of this task beside the actual time."""

    task_id: str
    score: Score


@value
class RecordTrial:
    """Log that this task is tried although it would be late by the measurements of its site.

    Nothing was measured for `after_ns`, and the profile says that it would be in time.
    """

    task_id: str
    after_ns: int


# --- edge -----------------------------------------------------------------------------------


@value
class StartLocal:
    """Run the local net on this task's image, or the cloud net up to `exit`."""

    task_id: str
    exit: str = ""


@value
class AbortLocal:
    """Stop this task's local run at the next layer boundary; LocalAborted or LocalDone follows."""

    task_id: str


@value
class Encode:
    """Make this task's payload on a worker; Encoded or EncodeFailed follows."""

    task_id: str
    codec: str


@value
class SendToCloud:
    """Upload this task. `budget_ns` is the time left until the deadline when it is sent.

    `wanted` is the number of further tasks that would be sent now if the cloud gave more credits.
    `credit_wait_ns` is the time for which it could have been sent but had no credit; for the log.

    `down_ns` is the forecast of the downlink time, which the cloud must leave free. After
    `reply_in_ns` the edge may fall back to the local net, so that the cloud pursues no deeper exit
    beyond it.
    """

    task_id: str
    codec: str
    accuracy: float
    budget_ns: int
    down_ns: int
    exit_rule: ExitRule
    reply_in_ns: int
    wanted: int = 0
    credit_wait_ns: int = 0


@value
class SendGiveUp:
    """Stop the upload if it runs, and tell the cloud to stop working on this task."""

    task_id: str


@value
class SendProbe:
    """Measure the link by one round trip to the cloud; LinkSampled or ProbeLost follows.

    The probe carries `up_bytes` of padding and requests `down_bytes` of it. `last_rtt_ns` reports
    the last round trip without padding to the cloud; 0 before the first.
    """

    up_bytes: int = 0
    down_bytes: int = 0
    last_rtt_ns: int = 0


@value
class SetTimer:
    """Feed TimerFired at `at_ns`, or at once if that has passed. See TimerKind for the task_id."""

    task_id: str
    kind: TimerKind
    at_ns: int


@value
class CancelTimer:
    """Feed no TimerFired for this timer."""

    task_id: str
    kind: TimerKind


@value
class Finish:
    """Report the task's outcome to its client. There is exactly one per task."""

    outcome: Outcome


EdgeAction = (
    StartLocal | AbortLocal | Encode | SendToCloud | SendGiveUp | SendProbe | SetTimer | CancelTimer
    | RecordScore | RecordTrial | Finish
)  # fmt: skip

# --- cloud ----------------------------------------------------------------------------------


@value
class Decode:
    """Decode this task's payload; answered by Decoded or DecodeFailed."""

    task_id: str
    codec: str


@value
class Accept:
    """Report the target exit to the edge, and in how many ns its reply is expected to leave.

    `trial_after_ns` is not 0 if the task is a trial: the measured times forbid it, but nothing was
    measured for so long.
    """

    task_id: str
    exit: str
    predicted_ns: int
    queue_ns: int
    trial_after_ns: int = 0


@value
class Refuse:
    """Report to the edge that no exit can serve the task. Ends the task on this node."""

    task_id: str
    reason: str
    code: RefusalCode


@value
class Reject:
    """Report to the edge that the payload could not be decoded. Ends the task on this node.

    `invalid`: the payload is at fault, not this node.
    """

    task_id: str
    reason: str
    invalid: bool


@value
class RunStage:
    """Run stage `stage` for these tasks, as one batch."""

    task_ids: tuple[str, ...]
    stage: int


@value
class RunHead:
    """Run the head of exit `exit` for these tasks, as one batch."""

    task_ids: tuple[str, ...]
    exit: str


@value
class Progress:
    """Report to the edge that stage `stage` is done and that the reply's expected time moved."""

    task_id: str
    stage: int
    remaining_ns: int


@value
class Reply:
    """Send the answer of exit `exit`. Ends the task on this node."""

    task_id: str
    exit: str
    prediction: Prediction
    compute_ns: int
    queue_ns: int
    slowdown: float


@value
class Stop:
    """Report to the edge that the work on this task has stopped. Ends the task on this node.

    `failed`: because of a fault, not because of a deadline or a give-up.
    """

    task_id: str
    reason: str
    compute_ns: int
    failed: bool = False


@value
class Grant:
    """Allow this edge to have `credits` tasks open on this node at a time."""

    edge_id: str
    credits: int


CloudAction = (
    Decode | Accept | Refuse | Reject | RunStage | RunHead | Progress | RecordScore | Reply | Stop
    | Grant
)  # fmt: skip
