"""Trials: tasks that are tried although the measurements say that they would be late.

A site that is forecast as too slow gets no tasks, so its forecast would never change. Therefore an
idle site that was not measured for `TRIAL_AFTER_NS` takes a task that would be refused otherwise,
if the task can be served by the profile. One task is tried at a time. If it agrees with the
profile, the earlier measurements are forgotten; if not, it adds one more to them.
"""

from __future__ import annotations

TRIAL_AFTER_NS = 250_000_000
"""Time without a measurement after which a trial may follow. A persistently slow site costs at most
four trials per second, of tasks that would fail in any case."""


def may_follow(now_ns: int, *last_ns: int) -> bool:
    """Return True if a trial may follow measurements and trials at these moments."""
    return now_ns - max(last_ns) >= TRIAL_AFTER_NS
