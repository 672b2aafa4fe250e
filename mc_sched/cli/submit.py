"""`mc-sched submit`: stream a folder of images to an edge agent."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import glob
import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from mc_sched.cli.streaming import Frame, StreamView, arrival_times_s, print_summary, run_stream
from mc_sched.cli.thresholds import Threshold, parse_threshold
from mc_sched.errors import UserError
from mc_sched.obs.summary import RunInfo, TaskResult, result_row, summarise
from mc_sched.units import duration_argument

NAME = "submit"
HELP = "Stream images to an edge agent and sum up how it served them."
IMAGES = {".jpg", ".jpeg", ".png"}
VIDEOS = {".mp4", ".mkv", ".avi", ".mov", ".webm"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `submit`."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a folder, a file or a quoted glob of JPEG and PNG images")
    add("--edge", default="127.0.0.1:7070", metavar="HOST:PORT", help="default %(default)s")
    add("--fps", type=float, default=12.0, help="mean arrivals a second, default %(default)s")
    add("--arrivals", choices=("constant", "poisson"), default="constant")
    add("--seed", type=int, default=0, help="of Poisson arrivals, default %(default)s")
    add("--count", type=int, metavar="N", help="frames to send, default each image once")
    add("--deadline", type=duration_argument, default="84ms", help="QoS, default %(default)s")
    add("--accuracy", type=float, help="QoR, least expected top-5 accuracy in [0, 1]")
    add("--mode", choices=("performance", "energy"), help="default: the agent's")
    add("--policy", help="mc, mc-paper, server or edge-only; default: the agent's")
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
    if args.fps <= 0:
        raise UserError("--fps must be above 0", exit_code=2)
    frames = load_frames(args.source, args.labels, args.count)
    results: list[TaskResult] = []
    started = time.monotonic()
    interrupted, info = _stream(args, frames, results)
    summary = summarise(results, RunInfo(**{**info, "duration_s": time.monotonic() - started}))
    if args.results:
        _write_results(args.results, results)
    if args.output == "json":
        print(json.dumps(summary))
    else:
        print_summary(summary, "interrupted: summary so far" if interrupted else "summary")
    if interrupted:
        return 130
    return _judge(thresholds, summary)


def load_frames(source: str, labels_file: str | None, count: int | None) -> list[Frame]:
    """The images of a folder, glob or file, in name order, repeated up to `count`.

    Raises UserError if there are none, naming the source.
    """
    paths = _image_paths(source)
    labels = _labels(Path(labels_file) if labels_file else Path(source) / "labels.csv", labels_file)
    frames = []
    for path in paths:
        try:
            frames.append(Frame(path.name, path.read_bytes(), labels.get(path.name)))
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return list(islice(cycle(frames), count)) if count else frames


def _image_paths(source: str) -> list[Path]:
    place = Path(source)
    if place.suffix.lower() in VIDEOS or source.startswith("/dev/video"):
        raise UserError(f"{source}: video is not read yet; give a folder of JPEG or PNG frames")
    if place.is_dir():
        found = [path for path in sorted(place.iterdir()) if path.suffix.lower() in IMAGES]
    else:
        found = [Path(name) for name in sorted(glob.glob(source, recursive=True))]
        found = [path for path in found if path.is_file()]
    if not found:
        hint = "holds no .jpg, .jpeg or .png file" if place.is_dir() else "matches no file"
        raise UserError(f"{source}: {hint}; 'mc-sched images --out frames' makes some")
    return found


def _labels(path: Path, asked_for: str | None) -> dict[str, str]:
    if not path.is_file():
        if asked_for:
            raise UserError(f"{path}: no such labels file")
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) >= 3]
    return {Path(row[0]).name: row[2] for row in rows if row[0] != "file"}


def _stream(
    args: argparse.Namespace, frames: list[Frame], results: list[TaskResult]
) -> tuple[bool, dict[str, Any]]:
    """Run the stream; whether it was interrupted, and what the agent says of itself."""
    info: dict[str, Any] = {"policy": args.policy or "", "mode": args.mode or "", "link": "live"}

    async def go() -> None:
        from mc_sched.client import Constraints, EdgeClient

        demands = Constraints(
            args.deadline, args.accuracy, args.mode or "", args.policy or "", args.privacy,
            args.stream_id,
        )  # fmt: skip
        due_s = arrival_times_s(len(frames), args.fps, args.arrivals, args.seed)
        async with EdgeClient(args.edge) as client:
            status = await client.status()
            info.update(
                policy=args.policy or status.policy, mode=args.mode or status.mode,
                idle_w=status.idle_w, energy_source=status.energy_source,
            )  # fmt: skip
            with StreamView(len(frames), args.edge) as view:
                await run_stream(client, frames, due_s, demands, view, results)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(go())
        return False, info
    return True, info


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


def _write_results(path: str, results: list[TaskResult]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for result in results:
            file.write(json.dumps(result_row(result)) + "\n")
