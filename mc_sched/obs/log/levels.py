"""Log level of each event and action, for people who search a log."""

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
_TIMERS = {
    TimerKind.FALLBACK: "warning",
    TimerKind.DEADLINE: "info",
    TimerKind.PROBE: "debug",
}
_LEVELS: dict[type, str] = {
    # many times per second; nobody reads these one by one
    **dict.fromkeys(
        (ev.LinkSampled, ev.CloudLoadSampled, ev.CreditsGranted, ev.CreditsWanted,
         ev.DeviceSampled, ev.PowerSampled, ev.LocalLayerDone, ev.CloudProgressed, ev.StageDone,
         do.SendProbe, do.SetTimer, do.CancelTimer, do.RecordScore, do.Decode, do.RunStage,
         do.Progress, do.Grant),
        "debug",
    ),
    # the task did not go as planned
    **dict.fromkeys(
        (ev.CloudRefused, ev.CloudStopped, ev.CloudGone, ev.ProbeLost, ev.GiveUpReceived,
         do.SendGiveUp, do.Refuse, do.Reject, do.Stop),
        "warning",
    ),
    # a component failed
    **dict.fromkeys(
        (ev.CloudLost, ev.LocalFailed, ev.EncodeFailed, ev.DecodeFailed, ev.ExecutorFailed),
        "error",
    ),
}  # fmt: skip


def level_of(value: Any) -> str:
    """Return the level of an event, action or note; info by default."""
    if isinstance(value, do.Finish):
        return _OUTCOMES[value.outcome.kind]
    if isinstance(value, ev.TimerFired):
        return _TIMERS[value.kind]
    return _LEVELS.get(type(value), "info")
