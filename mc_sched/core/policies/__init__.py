"""The policies by name. Any of them runs in the simulator and in the daemons."""

from mc_sched.core.policies.edge_only import decide as edge_only
from mc_sched.core.policies.mc import decide as mc
from mc_sched.core.policies.mc_paper import decide as mc_paper
from mc_sched.core.policies.server import decide as server
from mc_sched.core.policy import Policy

POLICIES: dict[str, Policy] = {
    "mc": mc,
    "mc-paper": mc_paper,
    "server": server,
    "edge-only": edge_only,
}
