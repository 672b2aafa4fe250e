"""Baseline `ddnn`: the local net first, and the cloud's whole network where it is not sure.

Teerapittayanon et al. 2017 (ICDCS), as Tang et al. 2020 use it, section "Experimental setup",
baseline (i): what goes up is the encoded picture. An answer stays if its normalised entropy,
-sum(p log p) / log(classes), is at most a threshold. The threshold is tuned to the QoR on held-out
images: the largest one whose answers, kept and sent ones together, reach it. Deadlines are not
looked at. With no way to the cloud the local net answers everything.
"""

from __future__ import annotations

from mc_sched.core.policies.entropy_threshold import loosest
from mc_sched.core.policy import (
    Decision,
    EdgeFirst,
    RunOnEdge,
    View,
    allowed_options,
    no_tables,
    to_last_exit,
)
from mc_sched.core.task import Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """The local net, and the last exit behind it."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return RunOnEdge()
    offload = to_last_exit(allowed)
    threshold = loosest(view.thresholds, offload.codec, view.accuracy)
    return no_tables() if threshold is None else EdgeFirst(threshold, offload)
