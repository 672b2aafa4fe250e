"""Execution time against QoR: a panel per link, a bar per system with the cloud's share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.experiments.figures.style import add_shared_legend, figure_grid, format_axes, style_of
from mc_sched.experiments.headline import grouped
from mc_sched.experiments.measure import Row
from mc_sched.experiments.systems import System

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUP_WIDTH = 0.86
NAMES = {"wifi": "Wi-Fi", "4g": "4G", "3g": "3G"}


def draw_bars(
    rows: Sequence[Row], systems: Sequence[System], numbers: dict[str, int], path: Path
) -> None:
    """Draw one figure; `numbers` are the numbers of the paper's figures, by link."""
    panels = grouped(rows, lambda row: row["link"])
    with figure_grid(path, len(panels), 1, (10, 0.7 + 2.3 * len(panels))) as (figure, grid):
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            link = panel[0]["link"]
            _draw(axes, panel, systems)
            net_set = panel[0]["set"].upper()
            format_axes(
                axes, f"Set {net_set} over {NAMES[link]} (the paper's figure {numbers[link]})"
            )
            axes.set_ylabel("execution time (ms)")
        grid[-1, 0].set_xlabel("least acceptable accuracy (QoR)")
        add_shared_legend(figure, grid[0, 0], 5)


def _draw(axes: Axes, rows: Sequence[Row], systems: Sequence[System]) -> None:
    qors = sorted({row["qor"] for row in rows})
    width = GROUP_WIDTH / len(systems)
    highest = max((row["latency"] for row in rows if row["success"] > 0), default=1.0)
    for number, system in enumerate(systems):
        for place, qor in enumerate(qors):
            at = place - GROUP_WIDTH / 2 + (number + 0.5) * width
            row = _of(rows, system, qor)
            if row["success"] > 0:
                _bar(axes, at, width, row, system, label=system.name if place == 0 else "")
            else:
                axes.text(at, 0.01 * highest, "×", ha="center", va="bottom", fontsize=7)
    _legend_entries(axes, rows, systems)
    axes.set_xticks(range(len(qors)), [f"{qor:.0%}" for qor in qors])
    axes.set_xlim(-0.5, len(qors) - 0.5)


def _bar(axes: Axes, at: float, width: float, row: Row, system: System, label: str) -> None:
    look = style_of(system.policy)
    hatch = look.hatch + ("|||" if system.mode.value == "energy" else "")
    cloud_ms = min(row["cloud"], row["latency"])
    style: dict[str, Any] = {"width": 0.92 * width, "edgecolor": "black", "linewidth": 0.4}
    rest_ms = row["latency"] - cloud_ms
    axes.bar(at, rest_ms, color=look.colour, hatch=hatch, label=label or None, **style)
    axes.bar(at, cloud_ms, bottom=rest_ms, color="black", **style)


def _legend_entries(axes: Axes, rows: Sequence[Row], systems: Sequence[System]) -> None:
    """Add the entries that the bars of the first QoR may lack."""
    named = set(axes.get_legend_handles_labels()[1])
    for system in systems:
        if system.name not in named:
            look = style_of(system.policy)
            hatch = look.hatch + ("|||" if system.mode.value == "energy" else "")
            axes.bar(0, 0, color=look.colour, hatch=hatch, edgecolor="black", label=system.name)
    axes.bar(0, 0, color="black", label="of it on the cloud")
    axes.plot([], [], color="black", marker="x", ls="", ms=4, label="does not reach the QoR")


def _of(rows: Sequence[Row], system: System, qor: float) -> Row:
    (row,) = (
        row
        for row in rows
        if (row["policy"], row["mode"], row["qor"]) == (system.policy, system.mode.value, qor)
    )
    return row
