"""`mc-sched submit`: stream a folder of images to an edge agent."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from mc_sched.cli.demands import check_demands, require
from mc_sched.cli.edge_option import add_edge_options, edge_client
from mc_sched.cli.frames import Frame, load_frames
from mc_sched.cli.results import results_file
from mc_sched.cli.streaming import (
    MAX_STREAM_ID,
    StreamView,
    arrival_times_s,
    idle_j_since,
    print_summary,
    run_stream,
)
from mc_sched.cli.thresholds import Threshold, parse_threshold
from mc_sched.core.policies import POLICIES
from mc_sched.errors import ConnectError, UserError
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo, TaskResult
from mc_sched.units import duration_argument

NAME = "submit"
INTERRUPTED = "interrupted"
HELP = "Stream images to an edge agent and sum up how it served them."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `submit`."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a folder, a file or a quoted glob of JPEG and PNG images")
    add_edge_options(parser)
    add("--reconnect", type=duration_argument, default=0, metavar="TIME",
        help="how long to wait for an agent that restarts, default: not at all")  # fmt: skip
    add("--fps", type=float, default=12.0, help="mean arrivals a second, default %(default)s")
    add("--arrivals", choices=("constant", "poisson"), default="constant")
    add("--seed", type=int, default=0, help="of Poisson arrivals, default %(default)s")
    add("--count", type=int, metavar="N", help="frames to send, default each image once")
    add("--deadline", type=duration_argument, default="84ms", help="QoS, default %(default)s")
    add("--accuracy", type=float, help="QoR, least expected top-5 accuracy in [0, 1]")
    add("--mode", choices=("performance", "energy"), help="default: the agent's")
    add("--policy", choices=POLICIES, help="default: the agent's")
    add("--privacy", choices=("edge-only", "features", "any"), default="any")
    add("--stream-id", default="", help="name of the stream, for feedback and logs")
    add("--labels", metavar="CSV", help="file,index,name; default SOURCE/labels.csv if it exists")
    add("--results", metavar="FILE", help="write one JSON line per frame")
    add("--threshold", action="append", default=[], metavar="'PATH>NUMBER'",
        help="exit 99 unless this figure of the summary holds; may be repeated")  # fmt: skip
    add("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched submit frames/ --fps 12 --deadline 84ms --accuracy 0.75"


def run(args: argparse.Namespace) -> int:
    """Stream, then print the summary; the exit code says how it went."""
    thresholds = [_threshold(text) for text in args.threshold]
    _check(args)
    frames = load_frames(args.source, args.labels, args.count)
    with results_file(args.results) as results:
        started = time.monotonic()
        ended, info = _stream(args, frames, results)
        info["duration_s"] = time.monotonic() - started
        summary = summarise(results, RunInfo(**info))
        if args.output == "json":
            print(json.dumps(summary))
        else:
            print_summary(summary, f"{ended}: summary so far" if ended else "summary")
    if ended == INTERRUPTED:
        return 130
    if ended:
        raise ConnectError(f"{args.edge}: {ended}")
    return _judge(thresholds, summary)


def _check(args: argparse.Namespace) -> None:
    check_demands(args)
    require(args.count is None or args.count >= 1, "--count must be at least 1")
    require(
        len(args.stream_id) <= MAX_STREAM_ID and args.stream_id.isprintable(),
        f"--stream-id must be at most {MAX_STREAM_ID} printable characters",
    )


def _stream(
    args: argparse.Namespace, frames: list[Frame], results: list[TaskResult]
) -> tuple[str, dict[str, Any]]:
    """Run the stream; why it ended before its time, if so, and what the agent says of itself."""
    info: dict[str, Any] = {"policy": args.policy or "", "mode": args.mode or "", "link": "live"}

    async def go() -> str:
        from mc_sched.client import Constraints

        demands = Constraints(
            args.deadline, args.accuracy, args.mode or "", args.policy or "", args.privacy,
            args.stream_id,
        )  # fmt: skip
        due_s = arrival_times_s(len(frames), args.fps, args.arrivals, args.seed)
        async with edge_client(args) as client:
            status = await client.status()
            info.update(
                policy=args.policy or status.policy, mode=args.mode or status.mode,
                idle_w=status.idle_w, energy_source=status.energy_source,
            )  # fmt: skip
            with StreamView(len(frames), args.edge) as view:
                reconnect_s = args.reconnect / 1e9
                await run_stream(client, frames, due_s, demands, view, results, reconnect_s)
            info["idle_j"] = None if client.lost else await idle_j_since(client, status)
            return client.lost

    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(go()), info
    return INTERRUPTED, info


def _threshold(text: str) -> Threshold:
    try:
        return parse_threshold(text)
    except ValueError as error:
        raise UserError(str(error), exit_code=2) from None


def _judge(thresholds: list[Threshold], summary: dict[str, Any]) -> int:
    try:
        failures = [f for t in thresholds if (f := t.failure(summary))]
    except ValueError as error:
        raise UserError(str(error), exit_code=2) from None
    for failure in failures:
        print(f"mc-sched: threshold failed: {failure}", file=sys.stderr)
    return 99 if failures else 0
