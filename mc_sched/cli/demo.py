"""`mc-sched demo`: both agents on loopback, a link between them, and a stream of frames."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.constraints import (
    ACCURACY_HELP,
    PRIVACY,
    PRIVACY_HELP,
    check_constraints,
)
from mc_sched.cli.options.outage import add_outage_option
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.summary import print_summary
from mc_sched.cli.streaming.frames import Frame, load_class_folders, repeated
from mc_sched.cli.streaming.stream import arrival_times_s, idle_j_since, run_stream
from mc_sched.cli.streaming.view import StreamView
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
HELP = "Run both agents on this machine over an emulated link, and stream frames to them."
DISTINCT_FRAMES = 60
WARM_UP_FRAMES = 12
CONCLUSIONS = {
    "performance": "Performance mode runs a frame on the device if the local net meets its "
    "constraints.",
    "energy": "Energy mode chooses the site with the fewest predicted joules for the device, and "
    "falls back to the local net when the cloud's answer is overdue.",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    add = parser.add_argument
    add("--frames", type=int, default=120, metavar="N",
        help="number of frames (default: %(default)s)")  # fmt: skip
    add("--fps", type=float, default=12.0, metavar="RATE",
        help="frames per second (default: %(default)s)")  # fmt: skip
    add("--deadline", type=duration_argument, default="84ms", metavar="TIME",
        help="QoS, the time from submission to outcome (default: %(default)s)")  # fmt: skip
    add("--accuracy", type=float, default=0.75, metavar="SHARE",
        help=f"{ACCURACY_HELP} (default: %(default)s)")  # fmt: skip
    add("--link", choices=("wifi", "4g", "3g"), default="wifi",
        help="kind of the emulated link (default: %(default)s)")  # fmt: skip
    add("--mode", choices=("performance", "energy", "both"), default="both",
        help="mode of the policy; both: half of the frames in each (default: %(default)s)"
    )  # fmt: skip
    add("--policy", choices=POLICIES, default="mc",
        help="scheduling policy (default: %(default)s)")  # fmt: skip
    add("--privacy", choices=PRIVACY, default="any", help=PRIVACY_HELP)
    add("--bundle", default="set-a", metavar="BUNDLE",
        help="name or directory of the bundle (default: %(default)s)")  # fmt: skip
    add("--images", metavar="DIR", help="directory of your own images (default: generated images)")
    add_outage_option(parser, "cut the link from START on for DURATION, in each mode")
    add("--figure", metavar="FILE", help="draw each frame's latency to a .png, .svg or .pdf file")
    add("--keep-logs", metavar="DIR", help="keep both agents' event logs in this directory")
    add_output_option(parser)
    parser.epilog = (
        "examples: mc-sched demo --link 4g --frames 240\n"
        "          mc-sched demo --mode energy --frames 144 --outage 4s:4s --figure demo.png"
    )


def run(args: argparse.Namespace) -> int:
    """Start the agents and the link, stream the frames, and print the summary."""
    check_constraints(args)
    check_range(args, "frames", 1)
    if args.figure:
        check_figure(args.figure)
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
        _print(args, summary)
    if args.figure:
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

    print_progress(f"starting a cloud agent, a {args.link} link and an edge agent ...")
    infos: dict[str, RunInfo] = {}
    testbed = Testbed(
        bundle=args.bundle, link=args.link, edge_options=("--policy", args.policy),
        directory=args.keep_logs,
    )  # fmt: skip
    async with testbed, EdgeClient(testbed.edge_address) as client:
        await _wait_for_cloud(client)
        print_progress(f"warming up with {WARM_UP_FRAMES} frames, which are not counted")
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
            constraints = Constraints(
                args.deadline, args.accuracy, mode, privacy=args.privacy, stream_id=mode
            )
            due_s = arrival_times_s(len(share), args.fps, "constant", 0)
            before, started = await client.status(), time.monotonic()
            with StreamView(len(share), f"{mode} mode over {args.link}") as view:
                cuts = asyncio.gather(*(_cut(testbed, outage) for outage in args.outage))
                await run_stream(client, share, due_s, constraints, view, results[mode])
                await cuts
            infos[mode] = RunInfo(
                args.policy, mode, args.link, time.monotonic() - started, before.idle_w,
                idle_j=await idle_j_since(client, before),
            )  # fmt: skip
        return infos


async def _cut(testbed: Testbed, outage: Outage) -> None:
    """Cut the link as the outage says, counted from now."""
    await asyncio.sleep(outage.start_ns / 1e9)
    await testbed.cut_link()
    await asyncio.sleep(outage.duration_ns / 1e9)
    await testbed.restore_link()


async def _wait_for_cloud(client: Any) -> None:
    """Wait up to 10 s until the edge agent has connected to the cloud agent."""
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

    print_progress(f"generating {min(args.frames, DISTINCT_FRAMES)} frames ...")
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
    """Summarise all frames, and each mode; a mode that did not finish has duration 0."""
    parts = {mode: infos.get(mode, RunInfo(args.policy, mode, args.link, 0.0)) for mode in results}
    together = [result for part in results.values() for result in part]
    summary = summarise(together, _joined(args, list(parts.values())))
    summary["modes"] = {mode: summarise(part, parts[mode]) for mode, part in results.items()}
    return summary


def _joined(args: argparse.Namespace, parts: list[RunInfo]) -> RunInfo:
    """Return the run information of all modes together."""
    idle_j = sum(p.idle_w * p.duration_s if p.idle_j is None else p.idle_j for p in parts)
    mode, duration_s = "+".join(p.mode for p in parts), sum(p.duration_s for p in parts)
    return RunInfo(args.policy, mode, args.link, duration_s, idle_j=idle_j)


def _draw(args: argparse.Namespace, results: dict[str, list[TaskResult]]) -> None:
    streams = {f"{mode} mode over {args.link}": part for mode, part in results.items()}
    outages = [(cut.start_ns / 1e9, cut.duration_ns / 1e9) for cut in args.outage]
    try:
        draw_streams(streams, args.deadline / 1e6, outages, Path(args.figure))
    except OSError as error:
        raise UserError(f"--figure {args.figure}: cannot be written: {error}") from None


def _print(args: argparse.Namespace, summary: dict[str, Any]) -> None:
    for mode, part in summary["modes"].items():
        print_summary(part, f"{mode} mode over {args.link}")
        print(CONCLUSIONS[mode] + "\n")
    if args.keep_logs:
        print(f"event logs: {args.keep_logs}/edge.jsonl and {args.keep_logs}/cloud.jsonl")
