"""The paper's rules without changes: mean times, the cloud in energy mode, the exit rule `pursue`.

Tang et al. 2020, Algorithm I, lines 4 to 21. Kept so that `mc` can be compared with it.
"""

from __future__ import annotations

from mc_sched.core.policies.options import edge_shortfall, fastest_cloud_choice
from mc_sched.core.policy import Decision, Fallback, Offload, Refuse, RunOnEdge, View
from mc_sched.core.task import ExitRule, Mode, Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """Prefer the edge in performance mode and the cloud in energy mode."""
    edge = edge_shortfall(view, upper=False)
    cloud = fastest_cloud_choice(task, view, upper=False)
    if isinstance(cloud, Shortfall):
        return RunOnEdge() if edge is None else Refuse((edge, cloud))
    if edge is None and view.mode is Mode.PERFORMANCE:
        return RunOnEdge()
    return Offload(
        cloud.codec,
        view.accuracy,
        ExitRule.PURSUE,
        cloud.mean_ns,
        Fallback.AT_LATEST_START,
    )
