"""`mc-sched demo`: both agents on loopback, a link between them, a stream of frames."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.cli.demands import check_demands, require
from mc_sched.cli.frames import Frame, load_class_folders, repeated
from mc_sched.cli.link import outage_argument
from mc_sched.cli.streaming import (
    StreamView,
    arrival_times_s,
    idle_j_since,
    print_summary,
    run_stream,
)
from mc_sched.core.policies import POLICIES
from mc_sched.errors import UserError
from mc_sched.obs.report.figure import check_figure, draw_streams
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo, TaskResult
from mc_sched.units import duration_argument

if TYPE_CHECKING:
    from mc_sched.link.model import Outage
    from mc_sched.testbed import Testbed

NAME = "demo"
HELP = "Run both agents on this machine with an emulated link and watch them serve frames."
DISTINCT_FRAMES = 60
WARM_UP_FRAMES = 12
SEEN = {
    "performance": "Performance mode keeps a frame on the device whenever the local net will do.",
    "energy": "Energy mode takes the site that costs the device the fewest predicted joules, "
    "and takes a frame back when the cloud's answer is overdue.",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    add = parser.add_argument
    add("--frames", type=int, default=120, help="frames in all, default %(default)s")
    add("--fps", type=float, default=12.0, help="frames a second, default %(default)s")
    add("--deadline", type=duration_argument, default="84ms", help="QoS, default %(default)s")
    add("--accuracy", type=float, default=0.75, help="QoR, default %(default)s")
    add("--link", choices=("wifi", "4g", "3g"), default="wifi", help="default %(default)s")
    add("--mode", choices=("performance", "energy", "both"), default="both",
        help="both: half of the frames each (default)")  # fmt: skip
    add("--policy", choices=POLICIES, default="mc", help="default %(default)s")
    add("--privacy", choices=("edge-only", "features", "any"), default="any",
        help="what may leave the device, default %(default)s")  # fmt: skip
    add("--bundle", default="set-a", help="name or directory, default %(default)s")
    add("--images", metavar="DIR", help="your own images; default: generated ones")
    add("--outage", type=outage_argument, action="append", default=[], metavar="START:DURATION",
        help="cut the link during each mode, like 4s:3s (repeatable)")  # fmt: skip
    add("--picture", metavar="FILE", help="draw each frame's latency (.png, .svg or .pdf)")
    add("--keep-logs", metavar="DIR", help="keep both agents' event logs here")
    add("--output", choices=("text", "json"), default="text")
    parser.epilog = (
        "examples: mc-sched demo --link 4g --frames 240\n"
        "          mc-sched demo --mode energy --frames 144 --outage 4s:4s --picture demo.png"
    )


def run(args: argparse.Namespace) -> int:
    """Start everything, stream, sum up, stop everything."""
    check_demands(args)
    require(args.frames >= 1, "--frames must be at least 1")
    if args.picture:
        check_figure(args.picture)
    modes = ["performance", "energy"] if args.mode == "both" else [args.mode]
    frames = _frames(args)
    results: dict[str, list[TaskResult]] = {mode: [] for mode in modes}
    interrupted = False
    infos: dict[str, RunInfo] = {}
    try:
        infos = asyncio.run(_demo(args, modes, frames, results))
    except KeyboardInterrupt:
        interrupted = True
    summary = _summary(args, results, infos)
    if args.output == "json":
        print(json.dumps(summary))
    else:
        _tell(args, summary)
    if args.picture:
        _draw(args, results)
    return 130 if interrupted else 0


async def _demo(
    args: argparse.Namespace,
    modes: list[str],
    frames: list[Frame],
    results: dict[str, list[TaskResult]],
) -> dict[str, RunInfo]:
    from mc_sched.client import Constraints, EdgeClient
    from mc_sched.testbed import Testbed

    _say(f"starting a cloud agent, a {args.link} link and an edge agent ...")
    infos: dict[str, RunInfo] = {}
    testbed = Testbed(
        bundle=args.bundle, link=args.link, edge_options=("--policy", args.policy),
        directory=args.keep_logs,
    )  # fmt: skip
    async with testbed, EdgeClient(testbed.edge_address) as client:
        await _cloud_up(client)
        _say(f"{WARM_UP_FRAMES} frames to let the predictors see this machine, not counted")
        for mode in modes:
            share = frames[: WARM_UP_FRAMES // len(modes)]
            async for _ in client.stream(
                [(f"warm-{mode}-{i}", frame.data) for i, frame in enumerate(share)],
                arrival_times_s(len(share), args.fps, "constant", 0),
                Constraints(
                    args.deadline, args.accuracy, mode, privacy=args.privacy, stream_id="warm-up"
                ),
            ):
                pass
        for mode, share in zip(modes, _shares(frames, len(modes)), strict=True):
            demands = Constraints(
                args.deadline, args.accuracy, mode, privacy=args.privacy, stream_id=mode
            )
            due_s = arrival_times_s(len(share), args.fps, "constant", 0)
            before, started = await client.status(), time.monotonic()
            with StreamView(len(share), f"{mode} mode over {args.link}") as view:
                cuts = asyncio.gather(*(_cut(testbed, outage) for outage in args.outage))
                await run_stream(client, share, due_s, demands, view, results[mode])
                await cuts
            infos[mode] = RunInfo(
                args.policy, mode, args.link, time.monotonic() - started, before.idle_w,
                idle_j=await idle_j_since(client, before),
            )  # fmt: skip
        return infos


async def _cut(testbed: Testbed, outage: Outage) -> None:
    """Cut the link for a while, counted from now."""
    await asyncio.sleep(outage.start_ns / 1e9)
    await testbed.cut_link()
    await asyncio.sleep(outage.duration_ns / 1e9)
    await testbed.restore_link()


async def _cloud_up(client: Any) -> None:
    """Wait until the edge agent has met the cloud; the demo goes on without it after 10 s."""
    for _ in range(100):
        status = await client.status()
        if status.cloud == "up":
            break
        await asyncio.sleep(0.1)


def _shares(frames: list[Frame], parts: int) -> list[list[Frame]]:
    first = -(-len(frames) // parts)
    return [frames[:first], frames[first:]][:parts]


def _frames(args: argparse.Namespace) -> list[Frame]:
    if args.images:
        return load_class_folders(args.images, args.frames)
    from mc_models.data.preprocess import encode_jpeg
    from mc_models.data.synthetic import CLASS_NAMES, render_split

    _say(f"drawing {min(args.frames, DISTINCT_FRAMES)} frames ...")
    drawn = []
    images = render_split("test", min(args.frames, DISTINCT_FRAMES), seed=0)
    for number, (image, index) in enumerate(images):
        label = CLASS_NAMES[index]
        drawn.append(Frame(f"{number:03d} {label}", encode_jpeg(image), label))
    return repeated(drawn, args.frames)


def _summary(
    args: argparse.Namespace,
    results: dict[str, list[TaskResult]],
    infos: dict[str, RunInfo],
) -> dict[str, Any]:
    """One summary over all frames, and one for each mode; a mode that was cut off took no time."""
    parts = {mode: infos.get(mode, RunInfo(args.policy, mode, args.link, 0.0)) for mode in results}
    together = [result for part in results.values() for result in part]
    whole = summarise(together, _joined(args, list(parts.values())))
    whole["modes"] = {mode: summarise(part, parts[mode]) for mode, part in results.items()}
    return whole


def _joined(args: argparse.Namespace, parts: list[RunInfo]) -> RunInfo:
    """What holds of all modes together."""
    idle_j = sum(p.idle_w * p.duration_s if p.idle_j is None else p.idle_j for p in parts)
    mode, duration_s = "+".join(p.mode for p in parts), sum(p.duration_s for p in parts)
    return RunInfo(args.policy, mode, args.link, duration_s, idle_j=idle_j)


def _draw(args: argparse.Namespace, results: dict[str, list[TaskResult]]) -> None:
    streams = {f"{mode} mode over {args.link}": part for mode, part in results.items()}
    outages = [(cut.start_ns / 1e9, cut.duration_ns / 1e9) for cut in args.outage]
    try:
        draw_streams(streams, args.deadline / 1e6, outages, Path(args.picture))
    except OSError as error:
        raise UserError(f"--picture {args.picture}: cannot be written: {error}") from None


def _tell(args: argparse.Namespace, summary: dict[str, Any]) -> None:
    for mode, part in summary["modes"].items():
        print_summary(part, f"{mode} mode over {args.link}")
        print(SEEN[mode] + "\n")
    if args.keep_logs:
        print(f"event logs: {args.keep_logs}/edge.jsonl and {args.keep_logs}/cloud.jsonl")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
