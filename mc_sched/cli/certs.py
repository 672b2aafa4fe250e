"""`mc-sched certs`: make, renew and show the certificates with which nodes know each other."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mc_sched.cli.tables import print_columns
from mc_sched.errors import UserError

NAME = "certs"
HELP = "Make, renew and show the certificates with which nodes know each other."
SCHEMA = "mc-sched/certs/1"
INIT = "Make an authority, unless there is one, and a certificate for each node."
RENEW = "Make new certificates and keys for nodes that are there; copy them and restart the agents."
SHOW = "Show whose the certificates in a directory are and when they expire."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the jobs of `certs`."""
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    init = jobs.add_parser("init", help=INIT, description=INIT)
    init.add_argument("directory", metavar="DIR", type=Path)
    init.add_argument(
        "--node", action="append", default=[], metavar="NAME[=HOST,..]",
        help="a node and the names and addresses under which it is reached; may be repeated",
    )  # fmt: skip
    init.add_argument("--days", type=_days, help="life of the nodes' certificates, default 397")
    init.epilog = "example: mc-sched certs init certs --node robot-7 --node server=10.0.0.1"
    renew = jobs.add_parser("renew", help=RENEW, description=RENEW)
    renew.add_argument("directory", metavar="DIR", type=Path)
    renew.add_argument("--node", action="append", metavar="NAME", help="default: every node")
    renew.add_argument("--days", type=_days, help="life of the new certificates, default 397")
    renew.epilog = "example: mc-sched certs renew certs"
    show = jobs.add_parser("show", help=SHOW, description=SHOW)
    show.add_argument("directory", metavar="DIR", type=Path)
    show.add_argument("--output", choices=("text", "json", "metrics"), default="text",
        help="metrics: for a collector that reads text files")  # fmt: skip
    show.epilog = "example: mc-sched certs show /etc/mc-sched/tls"
    parser.epilog = init.epilog


def _days(text: str) -> int:
    days = int(text)
    if not 0 < days <= 36500:
        raise argparse.ArgumentTypeError("must be from 1 to 36500")
    return days


def run(args: argparse.Namespace) -> int:
    """Do one job."""
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
            raise UserError(
                f"{args.directory / name}: is there already; use `mc-sched certs renew`"
            )
    days = args.days or certs.NODE_DAYS
    return [certs.make_node(args.directory, name, hosts, days) for name, hosts in nodes]


def _node(text: str) -> tuple[str, list[str]]:
    name, _, hosts = text.partition("=")
    return name, [host for host in hosts.split(",") if host]


def _renew(args: argparse.Namespace) -> list[Path]:
    from mc_sched import certs

    nodes = args.node or certs.nodes_in(args.directory)
    if not nodes:
        raise UserError(f"{args.directory}: has no nodes; make them with `mc-sched certs init`")
    days = args.days or certs.NODE_DAYS
    return [certs.renew_node(args.directory, node, days) for node in nodes]


def _show(directory: Path, output: str) -> int:
    from mc_sched.certs import read_certificate

    files = sorted((*directory.glob("*.crt"), *directory.glob("*/node.crt")))
    if not files:
        raise UserError(f"{directory}: holds no certificates")
    rows = [_row(file, read_certificate(file)) for file in files]
    if output == "json":
        print(json.dumps({"schema": SCHEMA, "certificates": rows}))
    elif output == "metrics":
        _print_metrics(rows)
    else:
        heads = ("file", "name", "good for", "days left")
        lines = [
            (row["file"], row["name"], ", ".join(row["hosts"]), f"{row['days_left']:.0f}")
            for row in rows
        ]
        print_columns(heads, lines)
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
