"""The figure of the capacity experiment: curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.experiments.figures.style import (
    GREY,
    add_shared_legend,
    figure_grid,
    format_axes,
    style_of,
)
from mc_sched.experiments.headline import grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_capacity(curves: Sequence[dict[str, Any]], required: float, path: Path) -> None:
    """Draw a panel per set and QoR: the share in time against the number of edges."""
    panels = grouped(curves, lambda curve: (curve["set"], curve["qor"]))
    columns = 2
    lines = -(-len(panels) // columns)
    with figure_grid(path, lines, columns, (9, 0.7 + 2.5 * lines)) as (figure, grid):
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw(axes, panel, required)
            format_axes(axes, f"Set {panel[0]['set'].upper()}, QoR {panel[0]['qor']:.0%}")
        for axes in grid[:, 0]:
            axes.set_ylabel("frames in time")
        for axes in grid[-1]:
            axes.set_xlabel("edges on one cloud agent")
        add_shared_legend(figure, grid[0, 0], 5)


def _draw(axes: Axes, panel: Sequence[dict[str, Any]], required: float) -> None:
    for curve in panel:
        style = style_of(curve["system"])
        edges, shares = zip(*curve["trials"], strict=True)
        label = curve["system"]
        axes.plot(edges, shares, color=style.colour, marker=style.marker, ms=5, lw=1.2, label=label)
    axes.axhline(required, color="black", lw=0.8, ls="--", label=f"{required:.0%}")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(color=GREY, lw=0.4)
