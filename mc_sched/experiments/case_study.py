"""The paper's case study: 12 frames per second, 84 ms each, QoR 75%, energy mode, a link outage.

The shown frame has just reached the cloud when the link goes dark. Its answer cannot arrive, and
the device has to fall back in time. The paper reports 22.9 ms for the transfer, 36 ms left at the
fallback, and an answer after 83.6 ms.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mc_sched.core.task import Mode
from mc_sched.experiments.cells import Cell, scenario_of
from mc_sched.experiments.figures.timeline import draw_stories
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.story import Story
from mc_sched.experiments.systems import OURS, System
from mc_sched.sim.build import world_of
from mc_sched.sim.scenario import LinkConfig, OutageConfig, Scenario
from mc_sched.sim.world import simulate

QOR, QOS_NS = 0.75, 84_000_000
FRAME = 120
"""Number of the frame; after ten seconds, all estimates have some samples."""
DARK_AFTER_MS, DARK_MS = 25, 3_000
"""Start of the outage since the frame's arrival, when the cloud works on it, and its duration."""


def findings(setting: Setting) -> Findings:
    """Run the frame under both of our systems, in energy mode."""
    stories = {policy: story_of(setting, policy) for policy in OURS}
    return Findings(
        name="case-study",
        title="The paper's case study: a frame whose link breaks",
        report={
            "profile": setting.profile,
            "privacy": setting.privacy.value,
            "dark_after_ms": DARK_AFTER_MS,
            "stories": {policy: _report(story) for policy, story in stories.items()},
        },
        table=_table(stories),
        notes=("ms since the frame arrived; only forecasts that could be compared with the truth",),
        figures=[
            Figure(
                "case-study",
                "The paper's case study: where a frame is, and below it the forecast of its end, "
                "from the mean to the 95% quantile; the upload's includes the acceptance",
                partial(draw_stories, stories, DARK_AFTER_MS),
            )
        ],
    )


def story_of(setting: Setting, policy: str) -> Story:
    """Simulate the frame under one policy."""
    cell = Cell("a", "wifi", QOR, QOS_NS)
    frames = setting.with_tasks(FRAME + 40)
    scenario = _with_outage(scenario_of(cell, frames, System(policy, Mode.ENERGY), seed=0), cell)
    story = Story(f"camera-{FRAME}")
    simulate(world_of(scenario, setting.tables("a")), lambda edge, result: None, story.record)
    return story


def _with_outage(scenario: Scenario, cell: Cell) -> Scenario:
    (camera,) = scenario.edges
    arrival_ns = camera.stream.start + round(FRAME / cell.fps * 1e9)
    start_ns = arrival_ns + DARK_AFTER_MS * 1_000_000
    dark = OutageConfig(start=f"{start_ns}ns", duration=f"{DARK_MS}ms")
    link: LinkConfig = camera.link.model_copy(update={"outages": [dark]})
    return scenario.model_copy(update={"edges": [camera.model_copy(update={"link": link})]})


def _report(story: Story) -> dict[str, Any]:
    outcome = story.outcome
    assert outcome is not None
    return {
        "outcome": outcome.kind.value,
        "site": outcome.site.value if outcome.site else None,
        "answered_by": outcome.exit,
        "gave_up": outcome.gave_up,
        "expected_accuracy": outcome.expected_accuracy,
        "latency_ms": outcome.latency_ns / 1e6,
        "predicted_ms": None if outcome.predicted_ns is None else outcome.predicted_ns / 1e6,
        "moments_ms": story.moments,
        "spans_ms": [[s.lane, s.label, s.start_ms, s.end_ms] for s in story.spans],
        "forecasts_ms": [
            {
                "of": score.predictor.value,
                "mean": score.mean_ns / 1e6,
                "upper": score.upper_ns / 1e6,
                "took": score.actual_ns / 1e6,
            }
            for score in story.scores
        ],
    }


def _table(stories: dict[str, Story]) -> Table:
    lines: Table = [("policy", "what", "from", "to", "forecast", "95%", "took")]
    for policy, story in stories.items():
        for span in story.spans:
            end = "never" if span.end_ms is None else f"{span.end_ms:.1f}"
            lines.append((policy, span.label, f"{span.start_ms:.1f}", end, "", "", ""))
        for score in story.scores:
            times = (f"{ns / 1e6:.1f}" for ns in (score.mean_ns, score.upper_ns, score.actual_ns))
            lines.append((policy, f"forecast: {score.predictor.value}", "", "", *times))
        lines.append((policy, "answer", "", f"{story.moments['answer']:.1f}", "", "", ""))
    return lines
