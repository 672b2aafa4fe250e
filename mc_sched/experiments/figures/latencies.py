"""Distributions of latencies, live and simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mc_sched.experiments.figures.style import GREY, figure_grid, format_axes
from mc_sched.obs.report.summary import TaskResult

_STYLES = {"live": ("#0072B2", "-"), "simulated": ("#E69F00", "--")}


def draw_latencies(pairs: Mapping[str, Mapping[str, Sequence[TaskResult]]], path: Path) -> None:
    """Draw a panel per scenario: the share of all tasks that was answered within a time."""
    with figure_grid(path, 1, len(pairs), (3.3 * len(pairs), 3.0)) as (figure, grid):
        for axes, (name, pair) in zip(grid[0], pairs.items(), strict=True):
            for run, results in pair.items():
                answered = [r for r in results if r.outcome.prediction is not None]
                ordered = sorted(r.outcome.latency_ns / 1e6 for r in answered)
                shares = [(index + 1) / len(results) for index in range(len(ordered))]
                colour, line = _STYLES[run]
                axes.plot(ordered, shares, color=colour, ls=line, label=run, drawstyle="steps-post")
            format_axes(axes, name)
            axes.set_xlim(left=0)
            axes.set_ylim(0, 1.02)
            axes.set_xlabel("ms to the answer")
            axes.grid(color=GREY, lw=0.4)
        grid[0, 0].set_ylabel("share of all tasks")
        grid[0, 0].legend(frameon=False, fontsize=8)
        figure.tight_layout()
