"""`mc-sched status`: how an edge agent does."""

from __future__ import annotations

import argparse
import json

NAME = "status"
HELP = "Show how an edge agent does: cloud, link, forecasts, outcomes, energy."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    parser.add_argument(
        "--edge", default="127.0.0.1:7070", metavar="HOST:PORT", help="default %(default)s"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched status --edge robot:7070 --output json"


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    import asyncio

    from google.protobuf.json_format import MessageToDict

    from mc_sched.client import EdgeClient

    async def ask() -> dict[str, object]:
        async with EdgeClient(args.edge) as client:
            status = await client.status()
        status.ClearField("labels")
        return MessageToDict(
            status, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

    status = asyncio.run(ask())
    if args.output == "json":
        print(json.dumps(_numbers(status)))
    else:
        _print(_numbers(status))
    return 0


def _numbers(status: dict[str, object]) -> dict[str, object]:
    """64-bit numbers as numbers; protobuf's JSON writes them as text."""

    def number(value: object) -> object:
        if isinstance(value, dict):
            return {key: number(item) for key, item in value.items()}
        return int(value) if isinstance(value, str) and value.isdigit() else value

    return {key: number(value) if key != "bundle_hash" else value for key, value in status.items()}


def _print(status: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    for key, value in status.items():
        text = value
        if key.endswith("_ns"):
            text = f"{float(str(value)) / 1e6:.1f} ms"
        elif key.endswith("_bps"):
            text = f"{float(str(value)) / 1e6:.2f} Mbps" if value else "unknown"
        elif isinstance(value, dict):
            text = ", ".join(f"{name} {count}" for name, count in value.items())
        table.add_row(key.removesuffix("_ns").removesuffix("_bps"), str(text))
    Console().print(table)
