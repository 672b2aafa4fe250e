"""The timeline of one task: a lane per resource, and the decisive moments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.core.scores import Predictor
from mc_sched.experiments.figures.style import GREY, figure_grid, format_axes
from mc_sched.experiments.story import Span, Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LANES = ("encoder", "uplink", "cloud", "downlink", "give-up", "local net")
_COLOURS = {
    "encoder": "#E69F00", "uplink": "#56B4E9", "cloud": "#0072B2", "downlink": "#56B4E9",
    "give-up": "#D55E00", "local net": "#009E73",
}  # fmt: skip
FORECASTS = {
    Predictor.TRANSFER_UP: "uplink", Predictor.LOCAL: "local net", Predictor.ENCODE: "encoder",
}  # fmt: skip
"""Lanes of the forecasts that are drawn, from the beginning of the lane's span."""
HEIGHT = 0.56


def draw_stories(stories: Mapping[str, Story], dark_ms: float, path: Path) -> None:
    """Draw a panel per policy; the link is dark from `dark_ms` on."""
    with figure_grid(path, len(stories), 1, (9, 0.3 + 2.9 * len(stories))) as (figure, grid):
        for axes, (policy, story) in zip(grid[:, 0], stories.items(), strict=True):
            _draw(axes, story, dark_ms)
            format_axes(axes, f"{policy}, energy mode: {_sentence(story)}")
        grid[-1, 0].set_xlabel("ms since the frame arrived")
        figure.tight_layout()


def _sentence(story: Story) -> str:
    outcome = story.outcome
    assert outcome is not None
    if outcome.expected_accuracy is None:
        return f"{outcome.kind.value} after {outcome.latency_ns / 1e6:.1f} ms"
    return (
        f"{outcome.kind.value} by {outcome.exit} after {outcome.latency_ns / 1e6:.1f} ms, "
        f"expected accuracy {outcome.expected_accuracy:.0%}"
    )


def _draw(axes: Axes, story: Story, dark_ms: float) -> None:
    end_ms = 1.09 * story.deadline_ms
    axes.axvspan(dark_ms, end_ms, color=GREY, alpha=0.3, lw=0)
    axes.text(dark_ms + 0.5, -0.72, "link dark", fontsize=7, color="#555555")
    for span in story.spans:
        _draw_span(axes, span, end_ms)
    for score in story.scores:
        lane = FORECASTS.get(score.predictor)
        spans = [span for span in story.spans if span.lane == lane]
        if spans:
            _draw_forecast(axes, spans[0], score.mean_ns / 1e6, score.upper_ns / 1e6)
    _draw_moments(axes, story)
    axes.set_yticks(range(len(LANES)), LANES)
    axes.set_ylim(len(LANES), -1.0)
    axes.set_xlim(0, end_ms)


def _draw_span(axes: Axes, span: Span, end_ms: float) -> None:
    place, ends = LANES.index(span.lane), span.end_ms is not None and span.end_ms <= end_ms
    stop_ms = span.end_ms if ends and span.end_ms is not None else end_ms
    axes.barh(
        place, stop_ms - span.start_ms, left=span.start_ms, height=HEIGHT,
        color=_COLOURS[span.lane] if ends else "white", hatch=None if ends else "////",
        edgecolor="black" if ends else _COLOURS[span.lane], linewidth=0.5,
    )  # fmt: skip
    if stop_ms - span.start_ms > 8:
        text = span.label if ends else f"{span.label}: does not arrive"
        axes.text(
            (span.start_ms + stop_ms) / 2, place, text, ha="center", va="center", fontsize=7,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def _draw_forecast(axes: Axes, span: Span, mean_ms: float, upper_ms: float) -> None:
    """Draw a tick below the span at its expected end, and a line to the upper quantile."""
    at = LANES.index(span.lane) + HEIGHT / 2 + 0.09
    ends = [span.start_ms + mean_ms, span.start_ms + upper_ms]
    axes.plot(ends, [at, at], color="black", lw=1, solid_capstyle="butt")
    axes.plot(ends[:1], [at], color="black", marker="|", ms=6)


def _draw_moments(axes: Axes, story: Story) -> None:
    lines = {**story.moments, "deadline": story.deadline_ms}
    for name, at_ms in lines.items():
        style = "-" if name == "answer" else "--"
        axes.axvline(at_ms, color="#D55E00" if name == "deadline" else "black", lw=0.9, ls=style)
        side = "left" if name == "deadline" else "right"
        axes.annotate(
            name, (at_ms, len(LANES)), xytext=(3 if side == "left" else -3, 3),
            textcoords="offset points", fontsize=7, ha=side, va="bottom",
        )  # fmt: skip
