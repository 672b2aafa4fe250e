"""Figure of forecasts against actual times, a panel per predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.core.scores import Predictor, Score
from mc_sched.obs.report.figure import undated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
# colours that colour-blind readers can tell apart (Okabe and Ito 2008)
_COLOURS = {
    "undisturbed": "#0072B2", "hog": "#D55E00", "link_steps": "#009E73", "trace": "#E69F00",
    "busy_cloud": "#CC79A7",
}  # fmt: skip
Groups = Mapping[Predictor, Mapping[str, Sequence[Score]]]
"""Predictor -> condition of the run -> scores."""


def draw_scores(groups: Groups, path: Path) -> None:
    """Draw each forecast's mean over the actual time, in the format of the file's suffix.

    Raise ValueError for an unknown suffix, OSError if the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {predictor: by for predictor, by in groups.items() if any(by.values())}
    lines = max(1, -(-len(shown) // _COLUMNS))
    figure, grid = pyplot.subplots(lines, _COLUMNS, figsize=(10, 3.2 * lines), squeeze=False)
    try:
        panels = list(grid.flat)
        for axes, (predictor, by_condition) in zip(panels, shown.items(), strict=False):
            _draw(axes, predictor.value, by_condition)
        for axes in panels[len(shown) :]:
            axes.axis("off")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=6, frameon=False, fontsize=9)
        figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
        figure.savefig(path, dpi=130, metadata=undated(path))
    finally:
        pyplot.close(figure)


def _draw(axes: Axes, title: str, by_condition: Mapping[str, Sequence[Score]]) -> None:
    drawn = {name: scores for name, scores in by_condition.items() if name in _COLOURS}
    for condition, scores in drawn.items():
        actual_ms = [score.actual_ns / 1e6 for score in scores]
        mean_ms = [score.mean_ns / 1e6 for score in scores]
        dots: dict[str, Any] = {"s": 5, "alpha": 0.5, "color": _COLOURS[condition]}
        axes.scatter(actual_ms, mean_ms, label=condition.replace("_", " "), **dots)
    everything = [score for scores in drawn.values() for score in scores]
    ends = [max(0.01, score.actual_ns / 1e6) for score in everything]
    diagonal = [min(ends), max(ends)]
    axes.plot(diagonal, diagonal, color="#BBBBBB", lw=1, label="exact")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("actual (ms)", fontsize=8)
    axes.set_ylabel("forecast (ms)", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
