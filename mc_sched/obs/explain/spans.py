"""A task's story as bars on a time line, each with its forecast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.scores import Predictor, Score
from mc_sched.obs.explain.story import Story

_EDGE_SPANS = (
    # name, lane, first step, last step, predictor
    ("encode", "edge", (do.Encode,), (ev.Encoded, ev.EncodeFailed), Predictor.ENCODE),
    ("upload", "link", (do.SendToCloud,),
     (ev.CloudAccepted, ev.CloudRefused, ev.CloudStopped, ev.CloudLost), Predictor.TRANSFER_UP),
    ("local net", "edge", (do.StartLocal,),
     (ev.LocalDone, ev.LocalAborted, ev.LocalFailed), Predictor.LOCAL),
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A bar; times are in milliseconds since the submission, forecasts are of its length."""

    lane: str
    """edge, link or cloud."""
    name: str
    start_ms: float
    end_ms: float
    mean_ms: float | None = None
    upper_ms: float | None = None


def spans(story: Story) -> list[Span]:
    """Return every bar, sorted by its start."""
    found = [*_task_span(story), *_edge_spans(story), *_cloud_spans(story)]
    return sorted(found, key=lambda span: (span.start_ms, -span.end_ms))


_CLOUD_SPANS = {
    ev.Decoded.__name__: "decode",
    ev.StageDone.__name__: "{}",
    ev.HeadDone.__name__: "head {}",
}
"""Name of the moment that ends a span -> the span's name, with the moment's detail."""


def _task_span(story: Story) -> Iterator[Span]:
    if story.outcome is not None:
        score = story.outcome.total
        yield _span(story, "edge", "task", story.task.submitted_ns, story.ended_ns, score)


def _edge_spans(story: Story) -> Iterator[Span]:
    scores = {score.predictor: score for score in story.scores}
    for name, lane, opens, ends, predictor in _EDGE_SPANS:
        start = story.first(*opens)
        if start is not None:
            over = (at for at, step in story.steps if isinstance(step, ends) and at >= start[0])
            end_ns = next(over, story.ended_ns or start[0])
            yield _span(story, lane, name, start[0], end_ns, scores.get(predictor))


def _cloud_spans(story: Story) -> Iterator[Span]:
    began_ns = story.cloud_began_ns()
    if began_ns is None:
        return
    for moment in story.cloud:
        if moment.took_ns and moment.name in _CLOUD_SPANS:
            end_ns = began_ns + moment.at_ns
            name = _CLOUD_SPANS[moment.name].format(moment.detail)
            yield _span(story, "cloud", name, end_ns - moment.took_ns, end_ns, None)
    sent_ns = next((m.at_ns for m in story.cloud if m.name == do.Reply.__name__), None)
    replied = story.first(ev.CloudReplied)
    if sent_ns is not None and replied is not None:
        scores = {score.predictor: score for score in story.scores}
        score = scores.get(Predictor.TRANSFER_DOWN)
        yield _span(story, "link", "reply", began_ns + sent_ns, replied[0], score)


def _span(
    story: Story, lane: str, name: str, start_ns: int, end_ns: int, score: Score | None
) -> Span:
    start_ms = story.since_ns(start_ns) / 1e6
    end_ms = max(start_ms, story.since_ns(end_ns) / 1e6)
    if score is None:
        return Span(lane, name, start_ms, end_ms)
    return Span(lane, name, start_ms, end_ms, score.mean_ns / 1e6, score.upper_ns / 1e6)
