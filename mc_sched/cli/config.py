"""`mc-sched config check`: find mistakes in a configuration file before an agent does."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "config"
HELP = "Check an agent's configuration file."
CHECK = "Load the file as its agent would, and report the first mistake."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the jobs of `config`."""
    parser.epilog = "example: mc-sched config check configs/edge.yaml"
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    check = jobs.add_parser(
        "check", help=CHECK, description=CHECK, epilog="example: mc-sched config check edge.yaml"
    )
    check.add_argument("file", metavar="FILE", help="YAML file of an edge or a cloud agent")
    check.add_argument(
        "--kind", choices=("edge", "cloud"),
        help="agent that the file is for (default: derived from its name or its keys)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Load the file as its agent would."""
    from cloud_agent.config import CloudConfig
    from edge_agent.config import EdgeConfig
    from mc_sched.config import parse_config, read_yaml

    values = read_yaml(args.file)
    cloud_only_keys = CloudConfig.model_fields.keys() - EdgeConfig.model_fields.keys()
    kind = args.kind or _kind(args.file, bool(values.keys() & cloud_only_keys))
    parse_config(values, CloudConfig if kind == "cloud" else EdgeConfig, args.file)
    print(f"{args.file}: valid configuration of the {kind} agent")
    return 0


def _kind(path: str, has_cloud_keys: bool) -> str:
    """Return the agent that a file is for, by the file's name or else by its keys."""
    name = Path(path).name
    for kind in ("edge", "cloud"):
        if kind in name:
            return kind
    return "cloud" if has_cloud_keys else "edge"
