"""Invariants of the cloud machine, checked after every event in tests."""

from __future__ import annotations

from mc_sched.core.cloud.decode_queue import DecodeQueue
from mc_sched.core.cloud.schedule import Piece
from mc_sched.core.cloud.state import NodeState
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.errors import InvariantBroken
from mc_sched.core.transitions import CloudState

IN_DECODER = (CloudState.DECODING, CloudState.DROPPED)
IN_EXECUTOR = (CloudState.IN_STAGE, CloudState.IN_HEAD, CloudState.STOPPING)
PLANNED = (CloudState.QUEUED, CloudState.DECODING, CloudState.WAITING, CloudState.IN_STAGE)


def check_tasks(tasks: dict[str, CloudTask], piece: Piece | None) -> None:
    """Raise InvariantBroken if accepted tasks and executor do not fit together."""
    working = [t for t in tasks.values() if t.state in IN_EXECUTOR]
    _must((piece is None) == (not working), "the executor's job is not recorded")
    at_work = [] if piece is None else [id(task) for task in piece.tasks]
    _must(sorted(at_work) == sorted(map(id, working)), "a task outside the batch is at work")
    stages = {task.next_stage for task in working}
    _must(len(stages) <= 1, "the batch is at two stages")
    for task_id, task in tasks.items():
        _must(task_id == task.task_id, f"{task_id} is filed under another name")
        _must(task.state is not CloudState.DONE, f"{task_id} is done and still open")
        _must(task.next_stage <= task.candidates[-1].stage + 1, f"{task_id} ran past its exits")
    waiting = any(t.state is CloudState.WAITING for t in tasks.values())
    _must(bool(working) or not waiting, "a task waits before an idle executor")


def check_decoding(decoding: DecodeQueue) -> None:
    """Raise InvariantBroken if the tasks before acceptance and the decoders do not fit together."""
    current = [held.task for held in decoding.current.values()]
    idle = len(current) < decoding.decoders
    _must(not idle or not decoding.queued, "a task waits before an idle decoder")
    _must(all(t.state in IN_DECODER for t in current), "a decoder's task is not in it")
    queued = all(task.state is CloudState.QUEUED for task in decoding.queued)
    _must(queued, "a task that waits for a decoder is not queued")


def check_order(state: NodeState) -> None:
    """Raise InvariantBroken if the order of the executor's work is not that of the deadlines."""
    order = state.schedule.order
    decoding = (held.task for held in state.decoding.current.values())
    open_tasks = (*state.tasks.values(), *state.decoding.queued, *decoding)
    planned = [id(task) for task in open_tasks if task.state in PLANNED]
    _must(sorted(map(id, order)) == sorted(planned), "the plan is not about the open tasks")
    dues_ns = [task.due_ns for task in order]
    _must(dues_ns == sorted(dues_ns), "the plan is not in the order of the deadlines")
    _must(all(task.path is not None for task in order), "a planned task has no work ahead")


def check_count(open_tasks: int, most_tasks: int) -> None:
    """Raise InvariantBroken if more tasks are open than any limit so far allowed."""
    _must(open_tasks <= most_tasks, "more tasks than max_tasks")


def _must(condition: bool, message: str) -> None:
    if not condition:
        raise InvariantBroken(f"cloud machine: {message}")
