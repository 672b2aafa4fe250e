"""The common style of the experiments' figures: a colour, a hatch and a marker for each system.

Colour-blind readers can distinguish the colours (Okabe and Ito 2008); in greyscale, hatches and
markers differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.obs.report.figure import undated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Style:
    """Style of a policy."""

    colour: str
    hatch: str
    marker: str


_STYLES = {
    "mc, batches": Style("#0072B2", "", "o"),
    "mc, one by one": Style("#56B4E9", "///", "s"),
    "whole network, batches": Style("#D55E00", "xxx", "X"),
    "mc": Style("#0072B2", "", "o"),
    "mc-paper": Style("#56B4E9", "///", "s"),
    "ddnn": Style("#E69F00", "...", "^"),
    "server": Style("#D55E00", "xxx", "X"),
    "jointdnn": Style("#009E73", "\\\\\\", "D"),
    "neurosurgeon": Style("#CC79A7", "ooo", "v"),
    "edgent": Style("#F0E442", "+++", "P"),
    "edge-only": Style("#999999", "---", "h"),
}
_OTHER = Style("#000000", "**", "*")
GREY = "#BBBBBB"


def style_of(system: str) -> Style:
    """Return the style of a policy or system; one without a style is drawn in black."""
    return _STYLES.get(system, _OTHER)


@contextmanager
def figure_grid(path: Path, rows: int, columns: int, size: tuple[float, float]) -> Iterator[Any]:
    """Provide a figure and its axes [rows, columns], and write it to the file at the end.

    Raises OSError if the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"hatch.linewidth": 0.5, "font.size": 9}):
        figure, grid = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
        try:
            yield figure, grid
            figure.savefig(path, dpi=130, metadata=undated(path))
        finally:
            pyplot.close(figure)


def format_axes(axes: Axes, title: str = "") -> None:
    """Remove the box around the data and set the title at the left."""
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, loc="left", fontsize=10)


def add_shared_legend(figure: Figure, axes: Axes, columns: int) -> None:
    """Add one legend for all panels, above them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=columns, frameon=False, fontsize=8)
    lines = -(-len(labels) // columns)
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.1 + 0.19 * lines) / figure.get_figheight()))
