"""What all of the experiments' pictures share: a colour, a hatch and a marker for each policy.

Colours stay apart for colour-blind readers (Okabe and Ito 2008); in greyscale the hatch or the
marker tells.
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
class Look:
    """How a policy is drawn."""

    colour: str
    hatch: str
    marker: str


_LOOKS = {
    "mc": Look("#0072B2", "", "o"),
    "mc-paper": Look("#56B4E9", "///", "s"),
    "ddnn": Look("#E69F00", "...", "^"),
    "server": Look("#D55E00", "xxx", "X"),
    "jointdnn": Look("#009E73", "\\\\\\", "D"),
    "neurosurgeon": Look("#CC79A7", "ooo", "v"),
    "edgent": Look("#F0E442", "+++", "P"),
    "edge-only": Look("#999999", "---", "h"),
}
_OTHER = Look("#000000", "**", "*")
GREY = "#BBBBBB"


def look_of(policy: str) -> Look:
    """A policy that nobody has given a look is drawn in black."""
    return _LOOKS.get(policy, _OTHER)


@contextmanager
def drawn(path: Path, rows: int, columns: int, size: tuple[float, float]) -> Iterator[Any]:
    """A grid of axes, [rows, columns], and their figure; written to the file when all is drawn.

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


def plain(axes: Axes, title: str = "") -> None:
    """No box around the data, the title at the left."""
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, loc="left", fontsize=10)


def share_legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend for all panels, above them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=columns, frameon=False, fontsize=8)
    lines = -(-len(labels) // columns)
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.1 + 0.19 * lines) / figure.get_figheight()))
