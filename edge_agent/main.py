"""The edge agent's process: its options, and an agent that serves until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from edge_agent.agent import EdgeAgent
from edge_agent.config import LIVE, EdgeConfig
from mc_sched.core.policies import POLICIES
from mc_sched.errors import UserError
from mc_sched.obs.log.agent_log import set_nested, store_file
from mc_sched.obs.routes import agent_routes
from mc_sched.obs.web.serving import serving
from mc_sched.service import daemon
from mc_sched.service.logger import process_log
from mc_sched.service.reload import Reloader

NAME = "mc-edge-agent"


def build_parser() -> argparse.ArgumentParser:
    """Options; each but --config overrides the key of the same name in the file."""
    parser = argparse.ArgumentParser(
        prog="mc-edge-agent",
        description="Schedules images between a small network here and a large one in the cloud.",
        epilog="example: mc-edge-agent --config configs/edge.yaml --cloud server:7071",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file; see configs/edge.yaml")
    parser.add_argument("--listen", metavar="HOST:PORT", help="default 127.0.0.1:7070")
    parser.add_argument("--cloud", metavar="HOST:PORT", help="default 127.0.0.1:7071")
    parser.add_argument("--bundle", help="name or directory of a bundle, default set-a")
    parser.add_argument("--mode", help="performance or energy (default)")
    parser.add_argument("--policy", help=f"{', '.join(POLICIES)}; default mc")
    parser.add_argument("--threads", type=int, help="CPU threads for the network, default 1")
    parser.add_argument("--precision", help="auto (default), float32 or bfloat16")
    parser.add_argument("--event-log", metavar="FILE", help="write every event and action here")
    parser.add_argument("--log-store", metavar="FILE", help="index them here, or none")
    parser.add_argument("--http", metavar="HOST:PORT", help="console and metrics, or none")
    parser.add_argument("--radio", help="wifi (default), 4g or 3g: whose energy model counts")
    parser.add_argument("--power", metavar="SENSOR", help="auto (default), none, or which one")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM; returns the exit code."""
    args = build_parser().parse_args(argv)
    if args.radio:
        args.energy = {"radio": args.radio}
    if args.power:
        args.sensors = {"power": args.power}
    del args.radio, args.power
    set_nested(args)

    def read() -> EdgeConfig:
        return daemon.configure(args, EdgeConfig)

    try:
        config = read()
    except UserError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code
    return daemon.run(serve(config, read), NAME)


async def serve(config: EdgeConfig, read: Callable[[], EdgeConfig]) -> None:
    """Load, warm up, connect, serve, drain; `read` reads the configuration anew."""
    says = process_log(NAME, config.log_level)
    agent = EdgeAgent(config, says)
    reloader = Reloader(config, read, LIVE, agent.apply, says)
    await agent.start()
    routes = agent_routes("edge", store_file(config, "edge"))
    with serving(config, "edge", agent.collector(), routes, agent.expires):
        await daemon.until_stopped(agent.progressing, reloader.reload)
    await agent.stop()


if __name__ == "__main__":
    sys.exit(main())
