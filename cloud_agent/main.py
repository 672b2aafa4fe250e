"""The command `mc-cloud-agent`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cloud_agent.agent import CloudAgent
from cloud_agent.config import LIVE, CloudConfig
from cloud_agent.front.heap import share_one_heap
from mc_sched.service.daemon import Daemon
from mc_sched.service.options import agent_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a cloud agent until SIGTERM; returns the exit code."""
    parser = agent_parser(
        "cloud",
        "Hosts the large network with its early exits.",
        "--config configs/cloud.yaml --listen 0.0.0.0:7071",
        "127.0.0.1:7071",
    )
    parser.add_argument(
        "--devices",
        help="auto (default), or the devices with a worker process each: cuda:0,cuda:1 or cpu,cpu",
    )
    share_one_heap()
    return Daemon("cloud", CloudConfig, LIVE, CloudAgent).main(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
