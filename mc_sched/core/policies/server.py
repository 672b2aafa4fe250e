"""Baseline `server`: every image goes to the cloud and through its whole network.

Tang et al. 2020, section "Experimental setup", baseline (ii). Static: it looks at no forecast.
"""

from __future__ import annotations

from mc_sched.core.policy import Decision, Offload, Refuse, View
from mc_sched.core.task import ExitRule, Shortfall, Site, Task


def decide(task: Task, view: View) -> Decision:
    """The last exit, no fallback."""
    allowed = [option for option in view.cloud if task.privacy.allows(option.codec)]
    if not allowed:
        constraint = "privacy" if view.cloud else "link"
        return Refuse((Shortfall(Site.CLOUD, constraint, 1, 0),))
    last = allowed[-1]
    return Offload(last.codec, last.accuracy, ExitRule.EARLIEST, last.mean_ns, fallback=False)
