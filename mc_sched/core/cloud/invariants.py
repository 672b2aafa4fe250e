"""Invariants of the cloud machine, checked after every event in tests."""

from __future__ import annotations

from mc_sched.core.cloud.decode_queue import DecodeQueue
from mc_sched.core.cloud.schedule import Piece
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.errors import InvariantBroken
from mc_sched.core.transitions import CloudState

IN_DECODER = (CloudState.DECODING, CloudState.DROPPED)
IN_EXECUTOR = (CloudState.IN_STAGE, CloudState.IN_HEAD, CloudState.STOPPING)


def check_tasks(tasks: dict[str, CloudTask], piece: Piece | None) -> None:
    """Raise InvariantBroken if accepted tasks and executor do not fit together."""
    working = [t for t in tasks.values() if t.state in IN_EXECUTOR]
    _must(len(working) <= 1, "the executor has two jobs")
    _must((piece is None) == (not working), "the executor's job is not recorded")
    for task_id, task in tasks.items():
        _must(task_id == task.task_id, f"{task_id} is filed under another name")
        _must(task.state is not CloudState.DONE, f"{task_id} is done and still open")
        _must(task.next_stage <= task.candidates[-1].stage + 1, f"{task_id} ran past its exits")
    waiting = any(t.state is CloudState.WAITING for t in tasks.values())
    _must(bool(working) or not waiting, "a task waits before an idle executor")


def check_decoding(decoding: DecodeQueue) -> None:
    """Raise InvariantBroken if the tasks before acceptance and the decoder do not fit together."""
    current = decoding.current
    _must(current is not None or not decoding, "a task waits before an idle decoder")
    _must(current is None or current.state in IN_DECODER, "the decoder's task is not in it")
    queued = all(task.state is CloudState.QUEUED for task in decoding.queued.values())
    _must(queued, "a task that waits for the decoder is not queued")


def check_count(open_tasks: int, most_tasks: int) -> None:
    """Raise InvariantBroken if more tasks are open than any limit so far allowed."""
    _must(open_tasks <= most_tasks, "more tasks than max_tasks")


def _must(condition: bool, message: str) -> None:
    if not condition:
        raise InvariantBroken(f"cloud machine: {message}")
