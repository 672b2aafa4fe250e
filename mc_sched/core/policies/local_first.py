"""The local net first and the cloud where it is not sure, as one way among others.

What DDNN always does (see `ddnn.py`), for a task of more accuracy than the local net has: the
threshold is tuned so that all answers together, those that stay and those that go, reach the QoR.
"""

from __future__ import annotations

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
    mean_ns: int
    energy_j: float


def local_first(task: Task, view: View) -> LocalFirst | None:
    """None where the local net is late, the QoR is not reached, or nothing was measured."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall) or view.edge.upper_ns > view.remaining_ns:
        return None
    offload = through_whole_net(allowed)
    threshold = loosest(view.thresholds, offload.codec, view.accuracy)
    if threshold is None or threshold.accuracy[offload.codec] < view.accuracy:
        return None
    sent = 1.0 - threshold.kept
    last = next(o for o in reversed(allowed) if o.codec == offload.codec)
    late = sent * chance_beyond(view.remaining_ns, last, after_ns=view.edge.mean_ns)
    return LocalFirst(
        EdgeFirst(threshold, offload),
        in_time=1.0 - late,
        mean_ns=view.edge.mean_ns + int(sent * last.mean_ns),
        energy_j=view.edge.energy_j + sent * last.energy_j,
    )
