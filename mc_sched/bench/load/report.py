"""Rows of the benchmark's tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mc_sched.bench.load.tally import LoadPoint

# unseen: answers that the server gave as in time and that arrived late
HEADINGS = (
    "server", "offered/s", "goodput/s", "late", "refused", "failed", "p50 ms", "p99 ms",
    "unseen",
)  # fmt: skip
NAMES = {"cloud": "cloud agent", "edge": "edge agent", "fcfs": "first come, first served"}


def row(name: str, point: LoadPoint) -> tuple[str, ...]:
    """Return a point as a row under HEADINGS."""
    return (
        name, f"{point.offered:.0f}", f"{point.goodput:.0f}", f"{point.late}", f"{point.refused}",
        f"{point.failed}", _ms(point.p50_ms), _ms(point.p99_ms),
        f"{point.claimed_minus_seen:.2%}",
    )  # fmt: skip


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def point_rows(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row per server and load."""
    for kind in NAMES:
        for given in report[kind]["points"]:
            fields = {key: value for key, value in given.items() if key != "load"}
            yield row(f"{kind} {given['load']:g}x", LoadPoint(**fields))


def summary_rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the figures over all loads."""
    for kind, name in NAMES.items():
        server = report[kind]
        kept = ", ".join(f"{share:.0%} at {load}x" for load, share in server["kept"].items())
        yield f"{name}: peak goodput", f"{server['peak_per_s']:.0f} per second"
        yield f"{name}: kept", kept
        if "recovery_s" in server:
            seconds = server["recovery_s"]
            text = "not within the limit" if seconds is None else f"{seconds:.2f} s after a burst"
            yield f"{name}: serves again", text
    if "batch_gain" in report:
        yield "goodput with batches over without", f"{report['batch_gain']:.2f}"
        yield "goodput of two workers over one", f"{report['worker_gain']:.2f}"
