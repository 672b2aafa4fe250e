"""`mc-sched status`: show the state of an edge agent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.edge import add_edge_options, edge_client
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.output.tables import print_fields

if TYPE_CHECKING:
    from mc_proto.v1.edge_pb2 import StatusReply

NAME = "status"
HELP = "Show an edge agent's cloud connection, link, forecasts, outcomes and energy."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    add_edge_options(parser)
    add_output_option(parser)
    parser.epilog = "example: mc-sched status --edge robot:7070 --output json"


def run(args: argparse.Namespace) -> int:
    """Fetch the status and print it."""
    import asyncio

    async def fetch() -> StatusReply:
        async with edge_client(args) as client:
            return await client.status()

    status = _fields(asyncio.run(fetch()))
    if args.output == "json":
        print(json.dumps(status))
    else:
        predictors = status.pop("predictors")
        rows = [(_label(key), _text(key, value)) for key, value in status.items()]
        rows += [(f"forecast of {name}", _reliability(found)) for name, found in predictors.items()]
        print_fields(rows)
    return 0


def _fields(status: StatusReply) -> dict[str, Any]:
    """Return every field but the labels by name, zeros included; None if a value is unknown."""
    names = [field.name for field in status.DESCRIPTOR.fields if field.name != "labels"]
    return {name: _plain(status, name) for name in names}


def _plain(status: StatusReply, name: str) -> Any:
    field, value = status.DESCRIPTOR.fields_by_name[name], getattr(status, name)
    if field.has_presence and not status.HasField(name):
        return None
    if isinstance(value, Mapping):
        return {key: _message(part) for key, part in sorted(value.items())}
    return value


def _message(part: Any) -> Any:
    """Return a message as a mapping of its fields, and any other value unchanged."""
    if not hasattr(part, "DESCRIPTOR"):
        return part
    return {field.name: getattr(part, field.name) for field in part.DESCRIPTOR.fields}


def _reliability(found: dict[str, Any]) -> str:
    return (
        f"mean error {found['mape']:.1%}, 95% of them too low by at most {found['p95_under']:.1%}, "
        f"upper quantile held in {found['coverage']:.1%} of {found['n']}"
    )


def _label(key: str) -> str:
    if key.startswith("e3_"):
        return key.removesuffix("_per_j")
    for unit in ("_ns", "_bps", "_w", "_j", "_s"):
        key = key.removesuffix(unit)
    return key


def _text(key: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if key == "certificate_expires_s":
        return f"{datetime.fromtimestamp(value):%Y-%m-%d %H:%M}" if value else "none in use"
    if key == "busy_by_others":
        return f"{value:.0%}"
    if key.endswith("_ns"):
        return f"{value / 1e6:.1f} ms"
    if key.endswith("_bps"):
        return f"{value / 1e6:.2f} Mbps" if value else "unknown"
    if key.startswith("e3_"):
        return f"{value:.2f} successes per joule"
    if key.endswith("_w"):
        return f"{value:.2f} W"
    if key.endswith("_j"):
        return f"{value:.3f} J"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return str(value)
