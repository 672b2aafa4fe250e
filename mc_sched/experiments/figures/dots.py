"""Figures with a dot per cell: E3, and successes per joule relative to the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.experiments.figures.bars import NAMES
from mc_sched.experiments.figures.style import (
    GREY,
    add_shared_legend,
    figure_grid,
    format_axes,
    style_of,
)
from mc_sched.experiments.headline import grouped
from mc_sched.experiments.measure import Row
from mc_sched.experiments.systems import systems

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_WIDTH = 0.6
"""Width of the dots of one QoR, on the axis."""


def draw_e3(rows: Sequence[Row], path: Path) -> None:
    """Draw E3 of every system at every QoR: a row of panels per QoS, a column per link."""
    links, qoss = _values(rows, "link"), _values(rows, "qos")
    with figure_grid(path, len(qoss), len(links), (10, 1.0 + 2.1 * len(qoss))) as (figure, grid):
        for line, qos in enumerate(qoss):
            for column, link in enumerate(links):
                own = [row for row in rows if (row["link"], row["qos"]) == (link, qos)]
                axes = grid[line, column]
                _draw_e3(axes, own)
                format_axes(axes, f"{NAMES[str(link)]}, {qos:.0f} ms")
        for axes in grid[:, 0]:
            axes.set_ylabel("E3 (successes per J)")
        for axes in grid[-1]:
            axes.set_xlabel("QoR")
        add_shared_legend(figure, grid[0, 0], 5)


def _draw_e3(axes: Axes, rows: Sequence[Row]) -> None:
    qors, every = _values(rows, "qor"), systems()
    for number, system in enumerate(every):
        own = [r for r in rows if (r["policy"], r["mode"]) == (system.policy, system.mode.value)]
        shift = DOTS_WIDTH * ((number + 0.5) / len(every) - 0.5)
        style, hollow = style_of(system.policy), system.mode.value == "energy"
        axes.plot(
            [qors.index(row["qor"]) + shift for row in own],
            [row["e3"] for row in own],
            ls="", marker=style.marker, ms=5, mew=1.0, color=style.colour, label=system.name,
            mec=style.colour if hollow else "black", mfc="white" if hollow else style.colour,
        )  # fmt: skip
    axes.set_xticks(range(len(qors)), [f"{qor:.0%}" for qor in qors])
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GREY, lw=0.4)


def draw_regret(rows: Sequence[Row], path: Path) -> None:
    """Draw a panel per link: a line per system, a dot per cell."""
    feasible = [row for row in rows if row["oracle_success"] > 0]
    panels = grouped(feasible, lambda row: row["trace"] or row["link"])
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    with figure_grid(path, lines, columns, (10, 0.5 + 2.9 * lines)) as (figure, grid):
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw_regret(axes, panel)
            format_axes(axes, str(panel[0]["trace"] or NAMES[panel[0]["link"]]))
        for axes in list(grid.flat)[len(panels) :]:
            axes.axis("off")
        for line in grid:
            for axes in line[1:]:
                axes.set_yticklabels([])
        for axes in grid[-1]:
            axes.set_xlabel("successes per joule, of the oracle's")
        figure.tight_layout()


def _draw_regret(axes: Axes, rows: Sequence[Row]) -> None:
    every = systems()
    for place, system in enumerate(every):
        ratios = [
            row["oracle_ratio"]
            for row in rows
            if (row["policy"], row["mode"]) == (system.policy, system.mode.value)
        ]
        style = style_of(system.policy)
        mean = sum(ratios) / len(ratios)
        axes.plot([0, mean], [place, place], color=style.colour, lw=3, solid_capstyle="butt")
        axes.plot(
            ratios, [place] * len(ratios), ls="", marker=style.marker, ms=4, mew=0.5, mec="black",
            color=style.colour, alpha=0.8,
        )  # fmt: skip
    axes.axvline(1, color="black", lw=0.8)
    axes.axvline(0.9, color=GREY, lw=0.8, ls="--")
    axes.set_yticks(range(len(every)), [system.name for system in every])
    axes.set_ylim(len(every) - 0.5, -0.5)
    axes.set_xlim(0, max(1.1, *(1.02 * row["oracle_ratio"] for row in rows)))


def _values(rows: Sequence[Row], key: str) -> list[float]:
    return sorted({row[key] for row in rows}) if key != "link" else list(
        dict.fromkeys(row[key] for row in rows)
    )  # fmt: skip
