"""Figure of a stream: each frame's latency over time, by the site that answered it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.core.task import OutcomeKind, Site
from mc_sched.errors import UserError
from mc_sched.obs.report.summary import TaskResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
Outages = Sequence[tuple[float, float]]
"""Start and length of each link outage, in seconds from the start of the stream."""

# colours that colour-blind readers can tell apart (Okabe and Ito 2008)
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#BBBBBB"


def _by(site: Site, gave_up: bool) -> Callable[[TaskResult], bool]:
    def belongs(result: TaskResult) -> bool:
        o = result.outcome
        return o.kind is OutcomeKind.SUCCEEDED and o.site is site and o.gave_up is gave_up

    return belongs


_GROUPS: tuple[tuple[str, str, str, Callable[[TaskResult], bool]], ...] = (
    ("answered on the edge", "o", _BLUE, _by(Site.EDGE, False)),
    ("answered by the cloud", "s", _ORANGE, _by(Site.CLOUD, False)),
    ("fell back to the edge", "^", _GREEN, _by(Site.EDGE, True)),
    ("late, refused or failed", "x", _RED, lambda r: r.outcome.kind is not OutcomeKind.SUCCEEDED),
)


def check_figure(file: str) -> None:
    """Raise UserError, before a long run, if the figure could not be drawn after it."""
    path = Path(file)
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise UserError(f"--figure {file}: the suffix must be one of {known}", exit_code=2)
    if not path.parent.is_dir():
        raise UserError(f"--figure {file}: there is no folder {path.parent}", exit_code=2)


def draw_streams(
    streams: Mapping[str, Sequence[TaskResult]], deadline_ms: float, outages: Outages, path: Path
) -> None:
    """Draw one panel per stream, by title, in the format of the file's suffix (see FORMATS).

    Raise ValueError for another suffix, OSError if the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(
        len(streams), 1, figsize=(9, 0.6 + 2.3 * len(streams)), squeeze=False, sharex=True
    )
    try:
        for axes, (title, results) in zip(grid[:, 0], streams.items(), strict=True):
            _draw(axes, title, results, deadline_ms, outages)
        grid[-1, 0].set_xlabel("time of submission (s)")
        handles, labels = _legend(list(grid[:, 0]))
        figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False, fontsize=9)
        figure.tight_layout(rect=(0, 0, 1, 1 - 0.5 / figure.get_figheight()))
        figure.savefig(path, dpi=150, metadata=undated(path))
    finally:
        pyplot.close(figure)


def _draw(
    axes: Axes, title: str, results: Sequence[TaskResult], deadline_ms: float, outages: Outages
) -> None:
    for start_s, length_s in outages:
        axes.axvspan(start_s, start_s + length_s, color=_GREY, alpha=0.5, lw=0, label="link cut")
    axes.axhline(deadline_ms, color=_RED, lw=1, ls="--", label="deadline")
    for label, marker, colour, belongs in _GROUPS:
        group = [r for r in results if belongs(r)]
        if group:
            times_s = [r.submitted_s for r in group]
            latency_ms = [r.outcome.latency_ns / 1e6 for r in group]
            axes.scatter(times_s, latency_ms, s=18, marker=marker, color=colour, label=label)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel("latency (ms)")
    axes.set_ylim(0, 1.15 * max([deadline_ms, *(r.outcome.latency_ns / 1e6 for r in results)]))
    axes.spines[["top", "right"]].set_visible(False)


def _legend(panels: Sequence[Axes]) -> tuple[list[Any], list[str]]:
    """Return each label once, in the order of the panels."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def undated(path: Path) -> dict[str, None]:
    """Return metadata without a date, so that the same run gives the same bytes."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower(), {})
