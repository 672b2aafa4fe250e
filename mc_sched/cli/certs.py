"""`mc-sched certs`: create, renew and show the certificates of nodes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

NAME = "certs"
DIRECTORY = "directory of the authority, with one sub-directory per node"
HELP = "Create, renew and show the certificates with which nodes authenticate each other."
SCHEMA = "mc-sched/certs/1"
INIT = "Create a certificate for each node, and first an authority if there is none."
RENEW = "Create new certificates and keys for existing nodes; copy them and restart the agents."
SHOW = "Show the names and expiry dates of the certificates in a directory."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the jobs of `certs`."""
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    init = jobs.add_parser("init", help=INIT, description=INIT)
    init.add_argument("directory", metavar="DIR", type=Path, help=DIRECTORY)
    init.add_argument(
        "--node", action="append", default=[], metavar="NAME[=HOST,..]",
        help="node, and the host names and addresses at which it is reached; may be repeated",
    )  # fmt: skip
    init.add_argument("--days", type=_days, metavar="N",
        help="days until the nodes' certificates expire (default: 397)")  # fmt: skip
    init.epilog = "example: mc-sched certs init certs --node robot-7 --node server=10.0.0.1"
    renew = jobs.add_parser("renew", help=RENEW, description=RENEW)
    renew.add_argument("directory", metavar="DIR", type=Path, help=DIRECTORY)
    renew.add_argument("--node", action="append", metavar="NAME",
        help="node to renew; may be repeated (default: every node)")  # fmt: skip
    renew.add_argument("--days", type=_days, metavar="N",
        help="days until the new certificates expire (default: 397)")  # fmt: skip
    renew.epilog = "example: mc-sched certs renew certs"
    show = jobs.add_parser("show", help=SHOW, description=SHOW)
    show.add_argument("directory", metavar="DIR", type=Path, help=DIRECTORY)
    show.add_argument("--output", choices=("text", "json", "metrics"), default="text",
        help="format on stdout; metrics: for a collector that reads text files (default: text)"
    )  # fmt: skip
    show.epilog = "example: mc-sched certs show /etc/mc-sched/tls"
    parser.epilog = init.epilog


def _days(text: str) -> int:
    days = int(text)
    if not 0 < days <= 36500:
        raise argparse.ArgumentTypeError(f"{days} is out of range; choose 1 to 36500")
    return days


def run(args: argparse.Namespace) -> int:
    """Run one job."""
    if args.job == "show":
        return _show(args.directory, args.output)
    folders = _init(args) if args.job == "init" else _renew(args)
    for folder in folders:
        print(folder)
    return 0


def _init(args: argparse.Namespace) -> list[Path]:
    from mc_sched import certs

    if not (args.directory / certs.CA_KEY).exists():
        certs.make_authority(args.directory)
    nodes = [_node(text) for text in args.node]
    for name, _ in nodes:
        if name in certs.nodes_in(args.directory):
            raise UserError(f"{args.directory / name}: exists already; use `mc-sched certs renew`")
    days = args.days or certs.NODE_DAYS
    return [certs.make_node(args.directory, name, hosts, days) for name, hosts in nodes]


def _node(text: str) -> tuple[str, list[str]]:
    name, _, hosts = text.partition("=")
    return name, [host for host in hosts.split(",") if host]


def _renew(args: argparse.Namespace) -> list[Path]:
    from mc_sched import certs

    nodes = args.node or certs.nodes_in(args.directory)
    if not nodes:
        raise UserError(f"{args.directory}: no nodes; create them with `mc-sched certs init`")
    days = args.days or certs.NODE_DAYS
    return [certs.renew_node(args.directory, node, days) for node in nodes]


def _show(directory: Path, output: str) -> int:
    from mc_sched.certs import read_certificate

    files = sorted((*directory.glob("*.crt"), *directory.glob("*/node.crt")))
    if not files:
        raise UserError(f"{directory}: no certificates; create them with `mc-sched certs init`")
    rows = [_row(file, read_certificate(file)) for file in files]
    if output == "json":
        print(json.dumps({"schema": SCHEMA, "certificates": rows}))
    elif output == "metrics":
        _print_metrics(rows)
    else:
        cells = [
            (row["file"], row["name"], ", ".join(row["hosts"]), f"{row['days_left']:.0f}")
            for row in rows
        ]
        print_table(("file", "name", "valid for", "days left"), cells, numbers_from=3)
    return 0


def _row(file: Path, certificate: Any) -> dict[str, Any]:
    from datetime import datetime, timezone

    from mc_proto.tls import common_name

    from mc_sched.certs import hosts_of

    ends = certificate.not_valid_after_utc
    left = ends - datetime.now(timezone.utc)
    return {
        "file": str(file),
        "name": common_name(certificate),
        "hosts": hosts_of(certificate),
        "expires": ends.isoformat(),
        "days_left": left.total_seconds() / 86400,
    }


def _print_metrics(rows: Sequence[dict[str, Any]]) -> None:
    from datetime import datetime

    metric = "mc_certificate_expiry_timestamp_seconds"
    print(f"# HELP {metric} When a certificate ends, in seconds since 1970.\n# TYPE {metric} gauge")
    for row in rows:
        ends = datetime.fromisoformat(row["expires"]).timestamp()
        print(f'{metric}{{name="{row["name"]}"}} {ends:.0f}')
