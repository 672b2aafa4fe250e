"""The cause of a task's outcome, in one sentence."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.scores import Score
from mc_sched.core.task import Outcome, OutcomeKind, Site
from mc_sched.obs.explain.story import Story
from mc_sched.obs.store.query import LATEST_NS

_FAILURES = (ev.CloudLost, ev.CloudStopped, ev.CloudRefused, ev.EncodeFailed)


def cause(story: Story) -> str:
    """Return why the task ended as it did."""
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
    in_cloud = story.outcome.site is Site.CLOUD
    if fell_back(story):
        if in_cloud:
            return f"the cloud answered while the fallback ran on the edge: {_overdue(story)}"
        return f"it fell back to {_net(story)}: {_cloud_problem(story, story.ended_ns)}"
    if story.outcome.codec is None or not _ran_locally_first(story):
        if in_cloud:
            return "it was offloaded, and the cloud answered in time"
        return f"it ran locally, and {_net(story)} answered in time"
    if in_cloud:
        return "the local net was not confident, and the cloud answered in time"
    return _unsure(story)


def _is_unsure(outcome: Outcome) -> bool:
    """Return True if the only answer was the local net's, and not accurate enough."""
    return outcome.site is Site.EDGE and outcome.prediction is not None


def _unsure(story: Story) -> str:
    """Describe a local net that was not confident, and why no better answer followed."""
    unsure = "the local net was not confident, and "
    if any(isinstance(step, do.StartLocal) and step.exit for _, step in story.steps):
        return f"{unsure}the cloud net on the edge did not find a better answer"
    if story.first(do.SendToCloud) is None:
        return f"{unsure}there was no time or no link left for an offload"
    return f"{unsure}the offload failed: {_cloud_problem(story, story.ended_ns)}"


def _ran_locally_first(story: Story) -> bool:
    """Return True if the local net was started before anything was sent to the cloud."""
    began = story.first(do.StartLocal, do.Encode, do.SendToCloud, ev.TimerFired, ev.CloudGone)
    return began is not None and isinstance(began[1], do.StartLocal)


def fell_back(story: Story) -> bool:
    """Return True if the task was offloaded and then also run on the edge."""
    outcome = story.outcome
    if outcome is None or outcome.codec is None or story.first(do.StartLocal) is None:
        return False
    return not _ran_locally_first(story)


def _refused(story: Story) -> str:
    assert story.outcome is not None
    on_arrival = story.ended_ns == story.submitted["t_ns"]
    when = "on arrival" if on_arrival else "after it was offloaded"
    return f"it was refused {when}: {story.outcome.reason}"


def _late(story: Story) -> str:
    assert story.outcome is not None
    if story.outcome.codec is None:
        return _late_locally(story)
    problem = _cloud_problem(story, story.ended_ns)
    if _ran_locally_first(story):
        return f"the local net was not confident, and then {problem}"
    return f"{problem}; then {_late_locally(story)}" if fell_back(story) else problem


def _late_locally(story: Story) -> str:
    requested, started = story.first(do.StartLocal), story.first(ev.LocalStarted)
    if requested is None:
        return f"it waited for {_net(story)} behind other tasks until its deadline had passed"
    if started is None or started[0] > story.ended_ns:
        waited_ms = (story.ended_ns - requested[0]) / 1e6
        return f"{_net(story)} was requested but had not started after {waited_ms:.1f} ms"
    began_ms = story.since_ns(started[0]) / 1e6
    ran_ms = (story.ended_ns - started[0]) / 1e6
    return f"{_net(story)} started after {began_ms:.1f} ms and had run for {ran_ms:.1f} ms"


def _net(story: Story) -> str:
    """Name the network that ran, or would have run, on the edge."""
    requested = story.first(do.StartLocal)
    if requested is not None and requested[1].exit:
        return f"the cloud net on the edge (up to {requested[1].exit})"
    return "the local net"


def _cloud_problem(story: Story, until_ns: int) -> str:
    """Describe why the cloud's part failed or was too slow."""
    gave_up = story.first(do.SendGiveUp)
    at_ns = until_ns if gave_up is None else gave_up[0]
    failure = story.first(*_FAILURES)
    if failure is not None and failure[0] <= at_ns and not _timer_fired(story, failure[0]):
        return _failed(failure[1])
    if gave_up is None and story.first(ev.CloudReplied):
        return f"the cloud's answer took longer than expected{_worst(story, until_ns)}"
    return f"the answer was overdue; {_progress(story, at_ns)}{_worst(story, at_ns)}{_link(story)}"


def _timer_fired(story: Story, until_ns: int) -> bool:
    """Return True if a timer had fired by then: a later failure only follows from that."""
    return any(at <= until_ns and isinstance(step, ev.TimerFired) for at, step in story.steps)


def _overdue(story: Story) -> str:
    """Describe why the fallback was started."""
    began = story.first(do.StartLocal)
    assert began is not None
    return f"the answer was overdue; {_progress(story, began[0])}{_worst(story, began[0])}"


def _failed(event: object) -> str:
    reason = getattr(event, "reason", "")
    texts = {ev.CloudLost: "the session was lost", ev.CloudStopped: "the cloud stopped it",
             ev.CloudRefused: "the cloud refused it"}  # fmt: skip
    return f"{texts.get(type(event), 'its payload could not be encoded')}: {reason}"


def _progress(story: Story, at_ns: int) -> str:
    """Describe how far the task had come, at `at_ns`, on its path to the cloud and back."""
    sent, accepted = story.first(do.SendToCloud), story.first(ev.CloudAccepted)
    at_ms = story.since_ns(at_ns) / 1e6
    if sent is None:
        return (
            f"after {at_ms:.1f} ms it was still waiting for its upload, behind other tasks or for "
            "a credit"
        )
    sent_ms = story.since_ns(sent[0]) / 1e6
    if accepted is None or accepted[0] > at_ns:
        return (
            f"its upload began after {sent_ms:.1f} ms and was not accepted by the cloud within "
            f"{at_ms:.1f} ms"
        )
    accepted_ms = story.since_ns(accepted[0]) / 1e6
    return (
        f"the cloud had accepted it after {accepted_ms:.1f} ms and not answered after "
        f"{at_ms:.1f} ms"
    )


def _link(story: Story) -> str:
    gone = story.first(ev.CloudGone)
    return f"; the link was down: {gone[1].reason}" if gone else ""


def worst(story: Story, until_ns: int = LATEST_NS) -> Score | None:
    """Return the forecast that was exceeded by most until then; None if every one held."""
    scored = [(at, step.score) for at, step in story.steps if isinstance(step, do.RecordScore)]
    missed = [score for at, score in scored if at <= until_ns and not score.held]
    return max(missed, key=lambda score: score.actual_ns - score.upper_ns, default=None)


def _worst(story: Story, until_ns: int) -> str:
    found = worst(story, until_ns)
    return f"; {found.sentence()}" if found else ""
