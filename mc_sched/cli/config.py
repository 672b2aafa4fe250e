"""`mc-sched config check`: find mistakes in a configuration file before an agent does."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "config"
HELP = "Check an agent's configuration file."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `config`."""
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    check = jobs.add_parser("check", help=HELP, epilog="example: mc-sched config check edge.yaml")
    check.add_argument("file", metavar="FILE")
    check.add_argument(
        "--kind", choices=("edge", "cloud"), help="whose it is; default: told by its name or keys"
    )
    parser.epilog = "example: mc-sched config check configs/edge.yaml"


def run(args: argparse.Namespace) -> int:
    """Load the file as its agent would."""
    from cloud_agent.config import CloudConfig
    from edge_agent.config import EdgeConfig
    from mc_sched.config import parse_config, read_yaml

    values = read_yaml(args.file)
    of_cloud_only = CloudConfig.model_fields.keys() - EdgeConfig.model_fields.keys()
    kind = args.kind or _kind(args.file, bool(values.keys() & of_cloud_only))
    parse_config(values, CloudConfig if kind == "cloud" else EdgeConfig, args.file)
    print(f"{args.file}: fine, a configuration of the {kind} agent")
    return 0


def _kind(path: str, has_cloud_keys: bool) -> str:
    """Whose a file is: its name says so, or else its keys."""
    name = Path(path).name
    for kind in ("edge", "cloud"):
        if kind in name:
            return kind
    return "cloud" if has_cloud_keys else "edge"
