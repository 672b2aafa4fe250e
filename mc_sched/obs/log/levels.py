"""How grave an event or action is, for people who look through a log."""

from __future__ import annotations

from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.events import TimerKind
from mc_sched.core.task import OutcomeKind

_OUTCOMES = {
    OutcomeKind.SUCCEEDED: "info",
    OutcomeKind.REFUSED: "warning",
    OutcomeKind.LATE: "warning",
    OutcomeKind.FAILED: "error",
}
_LEVELS: dict[type, str] = {
    # what comes many times a second, and nobody reads by itself
    **dict.fromkeys(
        (ev.LinkSampled, ev.DeviceSampled, ev.PowerSampled, ev.LocalLayerDone, ev.CloudProgressed,
         ev.StageDone, do.SetTimer, do.CancelTimer, do.RecordScore, do.RunStage, do.Progress),
        "debug",
    ),
    # a plan that did not hold
    **dict.fromkeys(
        (ev.CloudRefused, ev.CloudStopped, ev.CloudGone, ev.GiveUpReceived, do.SendGiveUp,
         do.Refuse, do.Stop),
        "warning",
    ),
    # something broke
    **dict.fromkeys((ev.CloudLost, ev.LocalFailed, ev.EncodeFailed, ev.ExecutorFailed), "error"),
}  # fmt: skip


def level_of(value: Any) -> str:
    """Its level; info where nothing is known against it."""
    if isinstance(value, do.Finish):
        return _OUTCOMES[value.outcome.kind]
    if isinstance(value, ev.TimerFired) and value.kind is TimerKind.FALLBACK:
        return "warning"
    return _LEVELS.get(type(value), "info")
