"""Invariants of the edge machine, which hold between any two events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.errors import InvariantBroken
from mc_sched.core.events import TimerKind
from mc_sched.core.transitions import IN_FLIGHT, WAITING, CloudLeg, LocalLeg


def check_edge(tasks: Mapping[str, EdgeTask], max_uploads: int) -> None:
    """Raise InvariantBroken if these tasks, by id, are in an invalid state."""
    legs = Counter(entry.local for entry in tasks.values())
    _must(legs[LocalLeg.RUNNING] + legs[LocalLeg.ABORTING] <= 1, "two local inferences at once")
    calls = Counter(entry.cloud for entry in tasks.values())
    _must(calls[CloudLeg.UPLOADING] <= max_uploads, "more uploads than max_uploads")
    _must(calls[CloudLeg.ENCODING] + calls[CloudLeg.DROPPED] <= 1, "two payloads at once")
    for task_id, entry in tasks.items():
        _must(task_id == entry.task.task_id, f"{task_id} is filed under another name")
        _must(not entry.over, f"{task_id} is over but was not forgotten")
        if entry.open:
            _check_open(task_id, entry)
        else:
            _check_answered(task_id, entry)


def _check_open(task_id: str, entry: EdgeTask) -> None:
    _must(TimerKind.DEADLINE in entry.timers, f"{task_id} is open without a deadline timer")
    working = entry.local in (LocalLeg.QUEUED, LocalLeg.RUNNING)
    waiting = entry.cloud in WAITING or entry.cloud in IN_FLIGHT
    _must(working or waiting, f"{task_id} is stranded")
    allowed = not entry.codec or entry.task.privacy.allows(entry.codec)
    _must(allowed, f"{task_id} leaves the device against its privacy")


def _check_answered(task_id: str, entry: EdgeTask) -> None:
    _must(not entry.timers, f"{task_id} has its outcome and still a timer")
    idle = entry.cloud is not CloudLeg.ENCODING and entry.cloud not in IN_FLIGHT
    _must(idle, f"{task_id} has its outcome and still a call")
    _must(entry.local is not LocalLeg.RUNNING, f"{task_id} runs after its outcome")


def _must(condition: bool, message: str) -> None:
    if not condition:
        raise InvariantBroken(f"edge machine: {message}")
