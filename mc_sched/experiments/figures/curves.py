"""Curves of the capacity experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.experiments.figures.style import GREY, drawn, look_of, plain, share_legend
from mc_sched.experiments.headline import grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_capacity(curves: Sequence[dict[str, Any]], wanted: float, path: Path) -> None:
    """A panel per set and QoR: the share in time against the number of edges."""
    panels = grouped(curves, lambda curve: (curve["set"], curve["qor"]))
    columns = 2
    lines = -(-len(panels) // columns)
    with drawn(path, lines, columns, (9, 0.7 + 2.5 * lines)) as (figure, grid):
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw(axes, panel, wanted)
            plain(axes, f"Set {panel[0]['set'].upper()}, QoR {panel[0]['qor']:.0%}")
        for axes in grid[:, 0]:
            axes.set_ylabel("frames in time")
        for axes in grid[-1]:
            axes.set_xlabel("edges on one cloud agent")
        share_legend(figure, grid[0, 0], 5)


def _draw(axes: Axes, panel: Sequence[dict[str, Any]], wanted: float) -> None:
    for curve in panel:
        look = look_of(curve["policy"])
        edges, shares = zip(*curve["trials"], strict=True)
        label = curve["policy"]
        axes.plot(edges, shares, color=look.colour, marker=look.marker, ms=5, lw=1.2, label=label)
    axes.axhline(wanted, color="black", lw=0.8, ls="--", label=f"{wanted:.0%}")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(color=GREY, lw=0.4)
