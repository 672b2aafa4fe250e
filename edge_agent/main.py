"""The command `mc-edge-agent`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge_agent.agent import EdgeAgent
from edge_agent.config import LIVE, EdgeConfig
from mc_sched.core.policies import POLICIES
from mc_sched.service.daemon import Daemon
from mc_sched.service.options import agent_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run an edge agent until SIGTERM; returns the exit code."""
    parser = agent_parser(
        "edge",
        "Schedules images between a small network on this device and a large one in the cloud.",
        "--config configs/edge.yaml --cloud server:7071",
        "127.0.0.1:7070",
    )
    add = parser.add_argument
    add("--cloud", metavar="HOST:PORT", help="address of the cloud agent, default 127.0.0.1:7071")
    add("--mode", help="performance or energy (default)")
    add("--policy", help=f"{', '.join(POLICIES)}; default mc")
    add(
        "--radio", metavar="RADIO", dest="energy.radio",
        help="energy model of the radio: wifi (default), 4g or 3g",
    )  # fmt: skip
    add(
        "--power",
        metavar="SENSOR",
        dest="sensors.power",
        help="power sensor: auto (default), none or a name",
    )
    return Daemon("edge", EdgeConfig, LIVE, EdgeAgent).main(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
