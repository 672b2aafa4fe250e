"""What decided how a task ended: one sentence."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.scores import Score
from mc_sched.core.task import Outcome, OutcomeKind, Site
from mc_sched.obs.explain.story import Story
from mc_sched.obs.store.query import LATEST_NS

_BROKEN = (ev.CloudLost, ev.CloudStopped, ev.CloudRefused, ev.EncodeFailed)


def cause(story: Story) -> str:
    """Why it ended as it did."""
    outcome = story.outcome
    if outcome is None:
        return "it has not ended in this log"
    if outcome.kind is OutcomeKind.REFUSED:
        return _refused(story)
    if outcome.kind is OutcomeKind.SUCCEEDED:
        return _succeeded(story)
    if outcome.kind is OutcomeKind.LATE:
        return f"it was late: {_late(story)}"
    if _is_unsure(outcome):
        return f"it failed: {_unsure(story)}; {outcome.reason}"
    return f"it failed: {outcome.reason}"


def _succeeded(story: Story) -> str:
    assert story.outcome is not None
    if is_taken_back(story) and story.outcome.site is Site.CLOUD:
        return f"the cloud's answer came while the edge ran it, too: {_overdue(story)}"
    if is_taken_back(story):
        return f"the edge took it back from the cloud: {_trouble(story, story.ended_ns)}"
    if story.outcome.codec is None:
        return "it was answered in time, where it was sent"
    if not _began_here(story):
        return "it was answered in time, where it was sent"
    if story.outcome.site is Site.CLOUD:
        return "the local net was not sure of its answer, and the cloud's came in time"
    return _unsure(story)


def _is_unsure(outcome: Outcome) -> bool:
    """Whether the local net's answer was all there was, and not accurate enough."""
    return outcome.site is Site.EDGE and outcome.prediction is not None


def _unsure(story: Story) -> str:
    """A local net that was asked first and not sure, and what came of asking the cloud."""
    said = "the local net was not sure of its answer, and "
    if any(isinstance(step, do.StartLocal) and step.exit for _, step in story.steps):
        return f"{said}the cloud net here did not come to a better one"
    if story.first(do.SendToCloud) is None:
        return said + "there was no time or no link left to ask the cloud"
    return f"{said}the cloud did not help: {_trouble(story, story.ended_ns)}"


def _began_here(story: Story) -> bool:
    """Whether the local net was asked before anything was on its way to the cloud."""
    began = story.first(do.StartLocal, do.Encode, do.SendToCloud, ev.TimerFired, ev.CloudGone)
    return began is not None and isinstance(began[1], do.StartLocal)


def is_taken_back(story: Story) -> bool:
    """Whether the local net ran for a task that was meant for the cloud."""
    outcome = story.outcome
    if outcome is None or outcome.codec is None or story.first(do.StartLocal) is None:
        return False
    return not _began_here(story)


def _refused(story: Story) -> str:
    assert story.outcome is not None
    at_once = story.ended_ns == story.submitted["t_ns"]
    who = "it was refused when it came" if at_once else "it was refused after it was sent"
    return f"{who}: {story.outcome.reason}"


def _late(story: Story) -> str:
    assert story.outcome is not None
    if story.outcome.codec is None:
        return _late_here(story)
    trouble = _trouble(story, story.ended_ns)
    if _began_here(story):
        return f"the local net was not sure of its answer, and then {trouble}"
    return f"{trouble}; then {_late_here(story)}" if is_taken_back(story) else trouble


def _late_here(story: Story) -> str:
    asked, started = story.first(do.StartLocal), story.first(ev.LocalStarted)
    if asked is None:
        return f"it waited for {_net(story)} behind other tasks, until its deadline had passed"
    if started is None or started[0] > story.ended_ns:
        waited_ms = (story.ended_ns - asked[0]) / 1e6
        return f"{_net(story)} was asked for it and had not begun after {waited_ms:.1f} ms"
    began_ms = story.since_ns(started[0]) / 1e6
    ran_ms = (story.ended_ns - started[0]) / 1e6
    return f"{_net(story)} began after {began_ms:.1f} ms and had run for {ran_ms:.1f} ms"


def _net(story: Story) -> str:
    """What was to run on the device."""
    asked = story.first(do.StartLocal)
    return (
        f"the cloud net here, up to {asked[1].exit},"
        if asked and asked[1].exit
        else ("the local net")
    )


def _trouble(story: Story, until_ns: int) -> str:
    """What was wrong with the cloud's part."""
    gave_up = story.first(do.SendGiveUp)
    at_ns = until_ns if gave_up is None else gave_up[0]
    broken = story.first(*_BROKEN)
    if broken is not None and broken[0] <= at_ns and not _fired(story, broken[0]):
        return _broken(broken[1])
    if gave_up is None and story.first(ev.CloudReplied):
        return f"the cloud's answer took longer than expected{_worst(story, until_ns)}"
    return f"the answer was overdue; {_hung(story, at_ns)}{_worst(story, at_ns)}{_link(story)}"


def _fired(story: Story, until_ns: int) -> bool:
    """Whether a timer had run out by then; what the cloud says afterwards is its echo."""
    return any(at <= until_ns and isinstance(step, ev.TimerFired) for at, step in story.steps)


def _overdue(story: Story) -> str:
    """What had made the edge begin."""
    begun = story.first(do.StartLocal)
    assert begun is not None
    return f"it was overdue by then; {_hung(story, begun[0])}{_worst(story, begun[0])}"


def _broken(event: object) -> str:
    reason = getattr(event, "reason", "")
    said = {ev.CloudLost: "the call was lost", ev.CloudStopped: "the cloud stopped",
            ev.CloudRefused: "the cloud refused it"}  # fmt: skip
    return f"{said.get(type(event), 'its payload could not be made')}: {reason}"


def _hung(story: Story, at_ns: int) -> str:
    """Where the task was, `at_ns`, on its way to the cloud and back."""
    sent, accepted = story.first(do.SendToCloud), story.first(ev.CloudAccepted)
    at_ms = story.since_ns(at_ns) / 1e6
    if sent is None:
        return f"after {at_ms:.1f} ms it still waited to be sent, behind other tasks"
    sent_ms = story.since_ns(sent[0]) / 1e6
    if accepted is None or accepted[0] > at_ns:
        return f"its upload began after {sent_ms:.1f} ms and had not arrived after {at_ms:.1f} ms"
    there_ms = story.since_ns(accepted[0]) / 1e6
    return f"the cloud had it after {there_ms:.1f} ms and had not answered after {at_ms:.1f} ms"


def _link(story: Story) -> str:
    gone = story.first(ev.CloudGone)
    return f"; the link was down: {gone[1].reason}" if gone else ""


def worst(story: Story, until_ns: int = LATEST_NS) -> Score | None:
    """The forecast that was exceeded by most, until then; None if every upper quantile held."""
    scored = [(at, step.score) for at, step in story.steps if isinstance(step, do.RecordScore)]
    missed = [score for at, score in scored if at <= until_ns and not score.held]
    return max(missed, key=lambda score: score.actual_ns - score.upper_ns, default=None)


def _worst(story: Story, until_ns: int) -> str:
    found = worst(story, until_ns)
    return f"; {found.sentence()}" if found else ""
