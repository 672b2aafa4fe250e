"""A task's explanation as text for people and as an object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.policy import View
from mc_sched.core.task import Mode, OutcomeKind
from mc_sched.obs.explain.cause import cause, worst
from mc_sched.obs.explain.choices import Choices, format_decision, why
from mc_sched.obs.explain.story import Story


@dataclass(frozen=True)
class Explanation:
    """The story of a task and the decisions of all policies on it."""

    story: Story
    choices: Choices | None
    """Decisions of all policies; None if the log lacks the agent's config record."""

    def as_object(self) -> dict[str, Any]:
        """Return the explanation for `--output json` and the console."""
        outcome, found = self.story.outcome, self.choices
        return {
            "task_id": self.story.task.task_id,
            "trace_id": self.story.task.trace_id,
            "request": _request(self.story, found),
            "outcome": None if outcome is None else outcome.kind.value,
            "site": outcome.site.value if outcome and outcome.site else None,
            "latency_ms": None if outcome is None else outcome.latency_ns / 1e6,
            "deadline_ms": self.story.task.deadline_ns / 1e6,
            "cause": cause(self.story),
            "predicted": _predicted(found.view) if found else [],
            "credit": _credit(found.view) if found else None,
            "chosen": _chosen(found, self.story) if found else None,
            "faithful": found.faithful if found else False,
            "timeline": [{"at_ms": at_ns / 1e6, "what": what} for at_ns, what in self.timeline()],
            "forecasts": [
                {**asdict(score), "predictor": score.predictor.value, "held": score.held}
                for score in self.story.scores
            ],
            "worst": (score := worst(self.story)) and score.sentence(),
            "alternatives": dict(_alternatives(found)) if found else {},
        }

    def timeline(self) -> list[tuple[int, str]]:
        """Return the steps of the story as text, each with the nanoseconds since submission."""
        since = self.story.since_ns
        steps = [(since(at), text) for at, step in self.story.steps if (text := _step_text(step))]
        began_ns = self.story.cloud_began_ns()
        if began_ns is not None:
            steps += [
                (
                    since(began_ns + m.at_ns),
                    f"cloud: {_CLOUD_TEXTS[m.name].format(m.detail)}{_took(m.took_ns)}",
                )
                for m in self.story.cloud
                if m.name in _CLOUD_TEXTS
            ]
        return sorted(steps, key=lambda step: step[0])

    def text(self) -> str:
        """Return the explanation as lines of text."""
        report = self.as_object()
        outcome = self.story.outcome
        head = f"task {report['task_id']}"
        if outcome is not None:
            where = f" by the {outcome.site.value}" if outcome.site else ""
            head += f": {outcome.kind.value}{where} after {report['latency_ms']:.1f} ms"
        if report["trace_id"]:
            head += f", trace {report['trace_id']}"
        lines = [head, f"because  {report['cause']}", f"request  {report['request']}"]
        if self.choices is not None:
            lines += [f"{'expected' if n == 0 else '':8} {line}"
                      for n, line in enumerate(_table(self.choices.view))]  # fmt: skip
            lines += [f"credit   {report['credit']}"] if self.choices.view.cloud else []
            lines.append(f"chosen   {report['chosen']}")
            if not report["faithful"]:
                lines.append("         (not certain: the log does not go back far enough)")
        lines.append("happened")
        lines += [f"{step['at_ms']:9.1f} ms  {step['what']}" for step in report["timeline"]]
        lines.append(f"worst    {report['worst'] or 'no forecast was exceeded'}")
        alternatives = report["alternatives"].items()
        lines += [f"{'instead' if n == 0 else '':8} {policies} would {decision}"
                  for n, (policies, decision) in enumerate(alternatives)]  # fmt: skip
        return "\n".join(lines)


def _request(story: Story, found: Choices | None) -> str:
    task = story.task
    accuracy = story.outcome.required_accuracy if story.outcome else task.accuracy
    text = f"an answer within {task.deadline_ns / 1e6:.1f} ms"
    if task.return_ns:
        text += f", {task.return_ns / 1e6:.1f} ms of them for its return to the client,"
    text += "" if accuracy is None else f" at accuracy {accuracy:.3f}"
    text += f", privacy {task.privacy.value}"
    return text + (f", by policy {found.policy} in {found.view.mode.value} mode" if found else "")


def _expected(view: View) -> list[tuple[str, float, float, float, float]]:
    """Return option, mean and upper quantile in milliseconds, accuracy, and millijoules."""
    on_device = ((f"the edge, cloud net to {o.exit}", o) for o in view.on_device)
    found = [("the edge", view.edge), *on_device]
    found += [(f"the cloud, {o.codec} to {o.exit}", o) for o in view.cloud]
    return [(option, o.mean_ns / 1e6, o.upper_ns / 1e6, o.accuracy, o.energy_j * 1e3)
            for option, o in found]  # fmt: skip


def _predicted(view: View) -> list[str]:
    return [
        f"{option}: {mean:.1f} ms, at most {upper:.1f} ms, accuracy {accuracy:.3f}, {joules:.1f} mJ"
        for option, mean, upper, accuracy, joules in _expected(view)
    ]


def _table(view: View) -> list[str]:
    """Return the forecasts of all options as a table."""
    rows = _expected(view)
    width = max(len(option) for option, *_ in rows)
    head = f"{'':{width}}  {'mean':>9}  {'at most':>9}  accuracy  {'energy':>9}"
    return [head] + [
        f"{option:{width}}  {mean:6.1f} ms  {upper:6.1f} ms  {accuracy:8.3f}  {joules:6.1f} mJ"
        for option, mean, upper, accuracy, joules in rows
    ]


def _credit(view: View) -> str:
    wait_ms = view.credit_in_ns / 1e6
    return f"the cloud had none free for {wait_ms:.1f} ms" if wait_ms else "the cloud had one free"


def _chosen(found: Choices, story: Story) -> str:
    return f"to {format_decision(found.decision, found.view)}; {why(story, found)}"


def _alternatives(found: Choices) -> Iterator[tuple[str, str]]:
    """Yield the policies and modes that would have decided alike, with their decision."""
    grouped: dict[str, dict[str, list[str]]] = {}
    for (policy, mode), decision in found.others.items():
        modes = grouped.setdefault(format_decision(decision, found.view), {})
        modes.setdefault(policy, []).append(mode)
    for what, policies in grouped.items():
        yield ", ".join(_named(policy, modes) for policy, modes in policies.items()), what


def _named(policy: str, modes: list[str]) -> str:
    return policy if len(modes) == len(Mode) else f"{policy} in {modes[0]} mode"


def _took(took_ns: int) -> str:
    return f" ({took_ns / 1e6:.1f} ms)" if took_ns else ""


def _step_text(step: Any) -> str:
    """Describe a step in a few words; "" for one that the timeline leaves out."""
    if isinstance(step, do.Finish):
        outcome = step.outcome
        exit_ = f" at {outcome.exit}" if outcome.exit else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        unsuccessful = outcome.kind is not OutcomeKind.SUCCEEDED
        return f"{outcome.kind.value}{exit_}{reason if unsuccessful else ''}"
    if isinstance(step, do.RecordTrial):
        return f"tried, since nothing was measured for {step.after_ns / 1e6:.0f} ms"
    if isinstance(step, do.RecordScore):
        return "" if step.score.held else f"more than expected: {step.score.sentence()}"
    if isinstance(step, ev.TimerFired):
        return f"timer fired: {step.kind.value}"
    if isinstance(step, (ev.CloudRefused, ev.CloudStopped, ev.CloudLost, ev.CloudGone)):
        return f"{_STEP_TEXTS[type(step)]}: {step.reason}"
    if isinstance(step, (ev.LocalFailed, ev.EncodeFailed)):
        return f"{_STEP_TEXTS[type(step)]}: {step.reason}"
    if isinstance(step, do.SendToCloud) and step.credit_wait_ns:
        return f"upload started after {step.credit_wait_ns / 1e6:.1f} ms without a credit"
    if isinstance(step, (ev.CloudAccepted, ev.CloudReplied)):
        return f"{_STEP_TEXTS[type(step)]} {step.exit}"
    return _STEP_TEXTS.get(type(step), "")


_STEP_TEXTS: dict[type, str] = {
    ev.Submitted: "submitted",
    ev.NotSatisfied: "submitted again: the user was not satisfied",
    do.StartLocal: "local net requested",
    ev.LocalStarted: "local net started",
    ev.LocalDone: "local net answered",
    do.AbortLocal: "local net no longer needed",
    ev.LocalAborted: "local net stopped",
    ev.LocalFailed: "local net failed",
    do.Encode: "encoding started",
    ev.Encoded: "encoding done",
    ev.EncodeFailed: "encoding failed",
    do.SendToCloud: "upload started",
    ev.CloudAccepted: "accepted by the cloud for",
    ev.CloudReplied: "answered by the cloud at",
    ev.CloudRefused: "refused by the cloud",
    ev.CloudStopped: "stopped by the cloud",
    ev.CloudLost: "lost in the cloud",
    ev.CloudGone: "link down",
    do.SendGiveUp: "given up on the cloud",
    ev.ClientGone: "client disconnected",
}
_CLOUD_TEXTS = {
    kind.__name__: text
    for kind, text in {
        ev.Received: "received as {}",
        ev.Decoded: "decoded",
        do.Accept: "accepted for {}",
        ev.StageDone: "{} done",
        ev.HeadDone: "head {} done",
        do.Reply: "answer sent",
        ev.GiveUpReceived: "give-up received",
        do.Stop: "stopped: {}",
        do.Refuse: "refused: {}",
        do.Reject: "could not be decoded: {}",
        ev.ExecutorFailed: "failed: {}",
    }.items()
}
"""Name of a moment -> its text, with the moment's detail."""
