"""Baseline `server`: the cloud runs its whole network on every image.

Tang et al. 2020, section "Experimental setup", baseline (ii). It uses no forecast.
"""

from __future__ import annotations

from mc_sched.core.policies.options import allowed_options, offload_to_last_exit
from mc_sched.core.policy import Decision, Refuse, View
from mc_sched.core.task import Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """Offload to the last exit, by the codec that loses the least accuracy, without fallback."""
    allowed = allowed_options(task, view)
    return Refuse((allowed,)) if isinstance(allowed, Shortfall) else offload_to_last_exit(allowed)
