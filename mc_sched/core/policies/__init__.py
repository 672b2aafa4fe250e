"""The policies by name. Any of them runs in the simulator and in the daemons."""

from mc_sched.core.policies.baselines.ddnn import decide as ddnn
from mc_sched.core.policies.baselines.edge_only import decide as edge_only
from mc_sched.core.policies.baselines.edgent import decide as edgent
from mc_sched.core.policies.baselines.jointdnn import decide as jointdnn
from mc_sched.core.policies.baselines.neurosurgeon import decide as neurosurgeon
from mc_sched.core.policies.baselines.server import decide as server
from mc_sched.core.policies.mc import decide as mc
from mc_sched.core.policies.mc_paper import decide as mc_paper
from mc_sched.core.policy import Policy

POLICIES: dict[str, Policy] = {
    "mc": mc,
    "mc-paper": mc_paper,
    "ddnn": ddnn,
    "server": server,
    "jointdnn": jointdnn,
    "edge-only": edge_only,
    "neurosurgeon": neurosurgeon,
    "edgent": edgent,
}
PARTITIONERS = frozenset(("jointdnn", "neurosurgeon", "edgent"))
"""Policies that may run stages of the cloud net on the device; their views hold every split."""
