"""`mc-sched top`: watch an edge agent live on a terminal."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.edge import DEFAULT_EDGE
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.output.tables import make_table, print_rich
from mc_sched.units import duration_argument

if TYPE_CHECKING:
    from mc_proto.v1.edge_pb2 import StatusReply
    from rich.console import RenderableType

    from mc_sched.client import EdgeClient
    from mc_sched.obs.report.recent import Recent

NAME = "top"
HELP = "Watch an edge agent live: rate, outcomes, sites, exits, latency, link, power and E3."
REFRESH_S = 1.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `top`."""
    add = parser.add_argument
    add("--edge", default=DEFAULT_EDGE, metavar="HOST:PORT",
        help="address of the edge agent (default: %(default)s)")  # fmt: skip
    add("--window", type=duration_argument, default="30s", metavar="TIME",
        help="span of time that the figures cover (default: %(default)s)")  # fmt: skip
    add("--count", type=int, default=0, metavar="N",
        help="stop after N updates (default: on Ctrl-C)")  # fmt: skip
    add_output_option(parser, "json: one object per second (default: text)")
    parser.epilog = "example: mc-sched top --edge robot:7070 --window 60s"


def run(args: argparse.Namespace) -> int:
    """Show updates until Ctrl-C."""
    asyncio.run(_watch(args))
    return 0


async def _watch(args: argparse.Namespace) -> None:
    from rich.live import Live

    from mc_sched.client import EdgeClient
    from mc_sched.obs.report.recent import Recent

    recent = Recent(args.window / 1e9)
    async with EdgeClient(args.edge) as client:
        await client.status()  # raise ConnectError before the screen is cleared
        reader = asyncio.create_task(_read(client, recent))
        live = Live(transient=False, auto_refresh=False) if _is_screen(args) else None
        try:
            if live is not None:
                live.start()
            await _update(args, client, recent, live)
        finally:
            reader.cancel()
            if live is not None:
                live.stop()


async def _update(args: argparse.Namespace, client: EdgeClient, recent: Recent, live: Any) -> None:
    updates = 0
    while not args.count or updates < args.count:
        await asyncio.sleep(REFRESH_S)
        status, updates = await client.status(), updates + 1
        if live is not None:
            live.update(_table(args.edge, status, recent.figures()), refresh=True)
        elif args.output == "json":
            print(json.dumps(_object(status, recent.figures())), flush=True)
        else:
            print_rich(_table(args.edge, status, recent.figures()))


def _is_screen(args: argparse.Namespace) -> bool:
    return args.output == "text" and sys.stdout.isatty()


async def _read(client: EdgeClient, recent: Recent) -> None:
    async for record in client.watch():
        recent.take(record)


def _object(status: StatusReply, figures: dict[str, Any]) -> dict[str, Any]:
    return {
        **figures,
        "tasks_open": status.tasks_open,
        "cloud": status.cloud,
        "rtt_ms": status.rtt_ns / 1e6,
        "uplink_bps": status.uplink_bps,
        "power_w": status.power_w if status.HasField("power_w") else None,
        "e3_per_j": status.e3_per_j,
    }


def _table(edge: str, status: StatusReply, figures: dict[str, Any]) -> RenderableType:
    report = _object(status, figures)
    latency = figures["latency_ms"]
    power = "no sensor" if report["power_w"] is None else f"{report['power_w']:.2f} W"
    detail = f" ({status.cloud_detail})" if status.cloud_detail else ""
    rows = [
        ("rate", f"{figures['rate_per_s']:.1f} tasks per second, {status.tasks_open} open"),
        ("outcomes", _counts(figures["outcomes"])),
        ("in time", f"{figures['deadline_met']:.1%}"),
        ("sites", _counts(figures["sites"])),
        ("exits", _counts(figures["exits"])),
        ("given up", str(figures["gave_up"])),
        ("latency", " ".join(f"{name} {value:.1f} ms" for name, value in latency.items())),
        ("cloud", f"{status.cloud}{detail}"),
        ("link", f"rtt {report['rtt_ms']:.1f} ms, up {status.uplink_bps / 1e6:.2f} Mbps, "
                 f"down {status.downlink_bps / 1e6:.2f} Mbps"),
        ("power", f"{power}, {status.energy_j:.2f} J for tasks ({status.energy_source})"),
        ("E3", f"{status.e3_per_j:.2f} successes per joule"),
    ]  # fmt: skip
    title = f"{edge}, the last {figures['window_s']:.0f} s"
    return make_table(rows, title=title, min_width=60)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "none"
