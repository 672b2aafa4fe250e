"""Baseline `ddnn`: the local net first; if it is not sure, the whole cloud net in the cloud.

Teerapittayanon et al. 2017 (ICDCS), as Tang et al. 2020 use it, section "Experimental setup",
baseline (i): the encoded image is sent. The local net's answer stands if its normalised entropy,
-sum(p log p) / log(classes), is at most a threshold. The threshold is tuned to the QoR on held-out
images: the largest one with which all answers, local and cloud together, reach it. Deadlines are
ignored. If the cloud cannot be reached, the local net answers everything.
"""

from __future__ import annotations

from mc_sched.core.policies.entropy_threshold import loosest
from mc_sched.core.policies.options import (
    allowed_options,
    offload_to_last_exit,
    refuse_without_tables,
)
from mc_sched.core.policy import Decision, LocalFirst, RunOnEdge, View
from mc_sched.core.task import Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """Run the local net, followed by the last exit in the cloud."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return RunOnEdge()
    offload = offload_to_last_exit(allowed)
    threshold = loosest(view.thresholds, offload.codec, view.accuracy)
    return refuse_without_tables() if threshold is None else LocalFirst(threshold, offload)
