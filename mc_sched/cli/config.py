"""`mc-sched config check`: find mistakes in a configuration file before an agent does."""

from __future__ import annotations

import argparse

NAME = "config"
HELP = "Check an agent's configuration file."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `config`."""
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    check = jobs.add_parser("check", help=HELP, epilog="example: mc-sched config check edge.yaml")
    check.add_argument("file", metavar="FILE")
    check.add_argument(
        "--kind", choices=("edge", "cloud"), help="whose it is; default: told by its name and keys"
    )
    parser.epilog = "example: mc-sched config check configs/edge.yaml"


def run(args: argparse.Namespace) -> int:
    """Load the file as its agent would."""
    from cloud_agent.config import CloudConfig
    from edge_agent.config import EdgeConfig
    from mc_sched.config import parse_config, read_yaml

    values = read_yaml(args.file)
    kind = args.kind or _kind(args.file, set(values), set(CloudConfig.model_fields))
    parse_config(values, CloudConfig if kind == "cloud" else EdgeConfig, args.file)
    print(f"{args.file}: fine, a configuration of the {kind} agent")
    return 0


def _kind(name: str, keys: set[str], cloud_keys: set[str]) -> str:
    if "cloud" in keys:
        return "edge"
    return "cloud" if "cloud" in name or (keys and keys <= cloud_keys) else "edge"
