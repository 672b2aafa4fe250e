"""What the two machines can ask their driver to do."""

from __future__ import annotations

from mc_sched.core.events import TimerKind
from mc_sched.core.scores import Score
from mc_sched.core.task import ExitRule, Outcome, Prediction, RefusalCode
from mc_sched.core.value import value

# --- both -----------------------------------------------------------------------------------


@value
class RecordScore:
    """Write down what was forecast of this task and what then happened."""

    task_id: str
    score: Score


# --- edge -----------------------------------------------------------------------------------


@value
class StartLocal:
    """Run the local net on this task's image, or the cloud net up to `exit`."""

    task_id: str
    exit: str = ""


@value
class AbortLocal:
    """Stop the local net at the next layer boundary; answered by LocalAborted or LocalDone."""

    task_id: str


@value
class Encode:
    """Make this task's payload, on a worker; answered by Encoded or EncodeFailed."""

    task_id: str
    codec: str


@value
class SendToCloud:
    """Upload this task. `budget_ns` is what is left of the deadline when it is sent.

    `down_ns` is the forecast of the downlink time, which the cloud must leave free. After
    `reply_in_ns` the edge may fall back to the local net: no deeper exit is worth that.
    """

    task_id: str
    codec: str
    accuracy: float
    budget_ns: int
    down_ns: int
    exit_rule: ExitRule
    reply_in_ns: int


@value
class SendGiveUp:
    """Stop the upload if it runs, and tell the cloud to stop working on this task."""

    task_id: str


@value
class SendProbe:
    """Measure the link by one round trip to the cloud; answered by LinkSampled or ProbeLost.

    It carries `up_bytes` of padding and asks for `down_bytes` of it. `last_rtt_ns` is the last
    round trip without padding, for the cloud to know; 0 before the first.
    """

    up_bytes: int = 0
    down_bytes: int = 0
    last_rtt_ns: int = 0


@value
class SetTimer:
    """Send TimerFired at `at_ns`, or at once if that has passed; no task_id: see TimerKind."""

    task_id: str
    kind: TimerKind
    at_ns: int


@value
class CancelTimer:
    """The timer is no longer wanted."""

    task_id: str
    kind: TimerKind


@value
class Finish:
    """Tell whoever submitted the task how it ended. Exactly one per task."""

    outcome: Outcome


EdgeAction = (
    StartLocal | AbortLocal | Encode | SendToCloud | SendGiveUp | SendProbe | SetTimer | CancelTimer
    | RecordScore | Finish
)  # fmt: skip

# --- cloud ----------------------------------------------------------------------------------


@value
class Decode:
    """Decode this task's payload; answered by Decoded or DecodeFailed."""

    task_id: str
    codec: str


@value
class Accept:
    """Report the target exit to the edge, and in how many ns its reply is expected to leave."""

    task_id: str
    exit: str
    predicted_ns: int
    queue_ns: int


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
    """Run stage `stage` for these tasks; at present always one task."""

    task_ids: tuple[str, ...]
    stage: int


@value
class RunHead:
    """Load the head of exit `exit` and run it for this task."""

    task_id: str
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


CloudAction = (
    Decode | Accept | Refuse | Reject | RunStage | RunHead | Progress | RecordScore | Reply | Stop
)
