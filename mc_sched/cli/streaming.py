"""Running a stream of frames and showing it: shared by `submit` and `demo`."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mc_sched.cli.frames import Frame
from mc_sched.cli.tables import print_rows
from mc_sched.errors import ConnectError
from mc_sched.obs.report.summary import TaskResult, summary_rows

if TYPE_CHECKING:
    from mc_proto.v1.edge_pb2 import StatusReply
    from rich.table import Table

    from mc_sched.client import Answer, Constraints, EdgeClient

PLAIN_EVERY_S = 5.0
RECENT_FRAMES = 8
MAX_STREAM_ID = 100
"""Characters of a stream's id; the wire's 128 are for the tasks' ids, which are made from it."""


def arrival_times_s(count: int, fps: float, arrivals: str, seed: int) -> list[float]:
    """When each frame arrives: every 1/fps seconds, or a Poisson process of that rate."""
    if arrivals == "constant":
        return [number / fps for number in range(count)]
    draw = random.Random(seed)
    times, now = [], 0.0
    for _ in range(count):
        times.append(now)
        now += draw.expovariate(fps)
    return times


async def run_stream(
    client: EdgeClient,
    frames: Sequence[Frame],
    due_s: Sequence[float],
    demands: Constraints,
    view: StreamView,
    results: list[TaskResult],
    reconnect_s: float = 0.0,
) -> None:
    """Submit the frames and append each one's result as it ends; `results` survives a Ctrl-C."""
    prefix = f"{demands.stream_id or 'frames'}-{time.time_ns() // 1_000_000 % 10**8:08d}"
    ids = [f"{prefix}-{number:05d}" for number in range(len(frames))]
    sent = dict(zip(ids, zip(frames, due_s, strict=True), strict=True))
    batch = [(task_id, frame.data) for task_id, (frame, _) in sent.items()]
    async for answer in client.stream(batch, due_s, demands, reconnect_s):
        frame, at_s = sent[answer.outcome.task_id]
        results.append(result_of(answer, frame.label, at_s))
        view.show(answer, frame)


async def idle_j_since(client: EdgeClient, before: StatusReply) -> float | None:
    """What the device has used beside the tasks since then; None if nobody measures it."""
    try:
        now = await client.status()
    except ConnectError:
        return None
    measures = now.HasField("power_w") and now.energy_idle_j > before.energy_idle_j
    return now.energy_idle_j - before.energy_idle_j if measures else None


def result_of(answer: Answer, label: str | None, submitted_s: float = 0.0) -> TaskResult:
    """The answer with what is known of its truth."""
    known = label is not None and answer.outcome.prediction is not None
    correct = label in answer.labels if known else None
    return TaskResult(answer.outcome, correct, answer.error, submitted_s)


class StreamView:
    """A live table on a terminal's stderr, a plain line every few seconds elsewhere."""

    def __init__(self, total: int, title: str) -> None:
        from rich.console import Console
        from rich.live import Live

        self._total = total
        self._title = title
        self._counts: Counter[str] = Counter()
        self._recent: deque[tuple[str, ...]] = deque(maxlen=RECENT_FRAMES)
        self._bad: set[str] = set()
        self._done = 0
        self._next_line = time.monotonic() + PLAIN_EVERY_S
        console = Console(stderr=True)
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None

    def __enter__(self) -> StreamView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update(self.table())
            self._live.stop()

    def show(self, answer: Answer, frame: Frame) -> None:
        """Take one more answer in; a frame that was no good is named, once."""
        outcome = answer.outcome
        site = outcome.site.value if outcome.site else "-"
        self._done += 1
        self._counts[outcome.kind.value] += 1
        self._counts[site] += 1
        self._counts["gave_up"] += outcome.gave_up
        guess = answer.labels[0] if answer.labels else outcome.reason[:40]
        latency = f"{outcome.latency_ns / 1e6:.1f} ms"
        note = "taken back" if outcome.gave_up and site == "edge" else ""
        self._recent.append(
            (frame.name, outcome.kind.value, site, outcome.exit or "-", latency, guess, note)
        )
        if answer.error:
            self._name_bad(frame.name, answer.error)
        if self._live is not None:
            self._live.update(self.table())
        elif time.monotonic() >= self._next_line:
            self._next_line += PLAIN_EVERY_S
            print(self.line(), file=sys.stderr, flush=True)

    def _name_bad(self, name: str, error: str) -> None:
        if name not in self._bad:
            self._bad.add(name)
            print(f"{name}: {error}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """The state of the stream in one line."""
        counts = self._counts
        return (
            f"{self._title}: {self._done}/{self._total}, {counts['succeeded']} in time, "
            f"{counts['late']} late, {counts['refused']} refused, {counts['failed']} failed; "
            f"edge {counts['edge']}, cloud {counts['cloud']}, given up {counts['gave_up']}"
        )

    def table(self) -> Table:
        """The last frames, with the line above them."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.line(), "bold"), title_justify="left")
        for column in ("frame", "outcome", "site", "exit", "latency", "top label", ""):
            table.add_column(column, justify="right" if column == "latency" else "left")
        styles = {"succeeded": "green", "late": "yellow", "refused": "magenta", "failed": "red"}
        for row in self._recent:
            table.add_row(*map(Text, row), style=styles[row[1]])
        return table


def print_summary(summary: dict[str, Any], title: str) -> None:
    """The summary as a small table on stdout."""
    print_rows(summary_rows(summary), title)
