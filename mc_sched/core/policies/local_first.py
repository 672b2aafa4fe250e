"""The local net first and the cloud where it is not sure, as one way among others.

What DDNN always does (see `ddnn.py`), for a task of more accuracy than the local net has: the
threshold is tuned so that all answers together, those that stay and those that go, reach the QoR.
Unlike DDNN nothing is sent that could not be in time any more.
"""

from __future__ import annotations

from dataclasses import replace

from mc_sched.core.confidence import loosest
from mc_sched.core.policies.chance import chance_beyond
from mc_sched.core.policy import EdgeFirst, View, allowed_options, through_whole_net
from mc_sched.core.task import Shortfall, Task
from mc_sched.core.value import value


@value
class LocalFirst:
    """What the way is expected to deliver, on the mean over images."""

    decision: EdgeFirst
    in_time: float
    """Share of the images."""
    time_ns: int
    energy_j: float


def local_first(task: Task, view: View) -> LocalFirst | None:
    """None where the local net alone would do or is late, or the QoR is not known to be reached."""
    allowed = allowed_options(task, view)
    is_beyond = view.edge.accuracy < view.accuracy
    if isinstance(allowed, Shortfall) or view.edge.upper_ns > view.remaining_ns or not is_beyond:
        return None
    offload = replace(through_whole_net(allowed), fallback=True)
    threshold = loosest(view.thresholds, offload.codec, view.accuracy)
    if threshold is None or threshold.accuracy[offload.codec] < view.accuracy:
        return None
    sent = 1.0 - threshold.kept
    last = next(o for o in reversed(allowed) if o.codec == offload.codec)
    late = chance_beyond(view.remaining_ns, last, after_ns=view.edge.mean_ns)
    goes_up = sent if view.edge.mean_ns + last.mean_ns <= view.remaining_ns else 0.0
    return LocalFirst(
        EdgeFirst(threshold, offload),
        in_time=1.0 - sent * late,
        time_ns=view.edge.upper_ns + int(goes_up * last.upper_ns),
        energy_j=view.edge.energy_j + goes_up * last.energy_j,
    )
