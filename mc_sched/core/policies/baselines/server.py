"""Baseline `server`: every image goes to the cloud and through its whole network.

Tang et al. 2020, section "Experimental setup", baseline (ii). Static: it looks at no forecast.
"""

from __future__ import annotations

from mc_sched.core.policy import Decision, Refuse, View, allowed_options, to_last_exit
from mc_sched.core.task import Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """The last exit, by the codec that loses the least accuracy; no fallback."""
    allowed = allowed_options(task, view)
    return Refuse((allowed,)) if isinstance(allowed, Shortfall) else to_last_exit(allowed)
