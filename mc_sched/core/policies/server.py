"""Baseline `server`: every image goes to the cloud and through its whole network.

Tang et al. 2020, section "Experimental setup", baseline (ii). Static: it looks at no forecast.
"""

from __future__ import annotations

from mc_sched.core.policy import Decision, Offload, Refuse, View, allowed_options
from mc_sched.core.task import ExitRule, Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """The last exit, by the codec that loses the least accuracy; no fallback."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return Refuse((allowed,))
    last = max((o for o in allowed if o.exit == allowed[-1].exit), key=lambda o: o.accuracy)
    return Offload(last.codec, last.accuracy, ExitRule.EARLIEST, last.mean_ns, fallback=False)
