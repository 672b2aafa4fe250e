"""The cloud agent's process: its options, and an agent that serves until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from cloud_agent.agent import CloudAgent
from cloud_agent.config import LIVE, CloudConfig
from mc_sched.errors import UserError
from mc_sched.obs.log.agent_log import set_nested, store_file
from mc_sched.obs.routes import agent_routes
from mc_sched.obs.web.serving import serving
from mc_sched.service import daemon
from mc_sched.service.logger import process_log
from mc_sched.service.reload import Reloader

NAME = "mc-cloud-agent"


def build_parser() -> argparse.ArgumentParser:
    """Options; each but --config overrides the key of the same name in the file."""
    parser = argparse.ArgumentParser(
        prog="mc-cloud-agent",
        description="Hosts the large network with its early exits.",
        epilog="example: mc-cloud-agent --config configs/cloud.yaml --listen 0.0.0.0:7071",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file; see configs/cloud.yaml")
    parser.add_argument("--listen", metavar="HOST:PORT", help="default 127.0.0.1:7071")
    parser.add_argument("--bundle", help="name or directory of a bundle, default set-a")
    parser.add_argument("--threads", type=int, help="CPU threads for the network, default 1")
    parser.add_argument("--precision", help="auto (default), float32 or bfloat16")
    parser.add_argument("--event-log", metavar="FILE", help="write every event and action here")
    parser.add_argument("--log-store", metavar="FILE", help="index them here, or none")
    parser.add_argument("--http", metavar="HOST:PORT", help="console and metrics, or none")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM; returns the exit code."""
    args = build_parser().parse_args(argv)
    set_nested(args)

    def read() -> CloudConfig:
        return daemon.configure(args, CloudConfig)

    try:
        config = read()
    except UserError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code
    return daemon.run(serve(config, read), NAME)


async def serve(config: CloudConfig, read: Callable[[], CloudConfig]) -> None:
    """Load, warm up, serve, drain; `read` reads the configuration anew."""
    says = process_log(NAME, config.log_level)
    agent = CloudAgent(config, says)
    reloader = Reloader(config, read, LIVE, agent.apply, says)
    await agent.start()
    routes = agent_routes("cloud", store_file(config, "cloud"))
    with serving(config, "cloud", agent.collector(), routes, agent.expires):
        await daemon.until_stopped(agent.progressing, reloader.reload)
    await agent.stop()


if __name__ == "__main__":
    sys.exit(main())
