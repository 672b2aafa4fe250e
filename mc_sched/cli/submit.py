"""`mc-sched submit`: stream images to an edge agent."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from mc_sched.cli.options.constraints import (
    ACCURACY_HELP,
    PRIVACY,
    PRIVACY_HELP,
    check_constraints,
)
from mc_sched.cli.options.edge import add_edge_options, edge_client
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range, require
from mc_sched.cli.options.thresholds import Threshold, parse_threshold
from mc_sched.cli.output.results_file import results_file
from mc_sched.cli.output.summary import print_summary
from mc_sched.cli.streaming.frames import Frame, load_frames
from mc_sched.cli.streaming.stream import (
    MAX_STREAM_ID,
    arrival_times_s,
    idle_j_since,
    run_stream,
)
from mc_sched.cli.streaming.view import StreamView
from mc_sched.core.policies import POLICIES
from mc_sched.errors import ConnectError, UserError
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo, TaskResult
from mc_sched.units import duration_argument

NAME = "submit"
INTERRUPTED = "interrupted"
HELP = "Stream images to an edge agent and summarise the outcomes."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `submit`."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="directory, file or quoted glob of JPEG and PNG images")
    add_edge_options(parser)
    add("--reconnect", type=duration_argument, default=0, metavar="TIME",
        help="longest wait for an agent that restarts, such as 30s (default: no wait)")  # fmt: skip
    add("--fps", type=float, default=12.0, metavar="RATE",
        help="mean arrivals per second (default: %(default)s)")  # fmt: skip
    add("--arrivals", choices=("constant", "poisson"), default="constant",
        help="arrival process (default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N",
        help="seed of Poisson arrivals (default: %(default)s)")  # fmt: skip
    add("--count", type=int, metavar="N", help="number of frames (default: each image once)")
    add("--deadline", type=duration_argument, default="84ms", metavar="TIME",
        help="QoS, the time from submission to outcome (default: %(default)s)")  # fmt: skip
    add("--accuracy", type=float, metavar="SHARE", help=f"{ACCURACY_HELP} (default: the agent's)")
    add("--mode", choices=("performance", "energy"),
        help="mode of the policy (default: the agent's)")  # fmt: skip
    add("--policy", choices=POLICIES, help="scheduling policy (default: the agent's)")
    add("--privacy", choices=PRIVACY, default="any", help=PRIVACY_HELP)
    add("--stream-id", default="", metavar="NAME", help="name of the stream in logs and task ids")
    add("--labels", metavar="CSV",
        help="true labels with columns file,index,name (default: SOURCE/labels.csv if it exists)"
    )  # fmt: skip
    add("--results", metavar="FILE", help="write one JSON line per frame to this file")
    add("--threshold", action="append", default=[], metavar="'PATH>NUMBER'",
        help="exit with 99 unless this figure of the summary meets the limit, such as "
        "'deadline_met>0.99'; may be repeated")  # fmt: skip
    add_output_option(parser)
    parser.epilog = "example: mc-sched submit frames/ --fps 12 --deadline 84ms --accuracy 0.75"


def run(args: argparse.Namespace) -> int:
    """Stream the frames, print the summary, and check the thresholds."""
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
    check_constraints(args)
    check_range(args, "count", 1)
    require(
        len(args.stream_id) <= MAX_STREAM_ID and args.stream_id.isprintable(),
        f"--stream-id must be at most {MAX_STREAM_ID} printable characters",
    )


def _stream(
    args: argparse.Namespace, frames: list[Frame], results: list[TaskResult]
) -> tuple[str, dict[str, Any]]:
    """Run the stream.

    Returns why it ended early, or an empty string, and the agent's part of the run's `RunInfo`.
    """
    info: dict[str, Any] = {"policy": args.policy or "", "mode": args.mode or "", "link": "live"}

    async def go() -> str:
        from mc_sched.client import Constraints

        constraints = Constraints(
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
                await run_stream(client, frames, due_s, constraints, view, results, reconnect_s)
            info["idle_j"] = None if client.lost_reason else await idle_j_since(client, status)
            return client.lost_reason

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
