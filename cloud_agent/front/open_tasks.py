"""The open tasks of all sessions, with the limits on their number and their memory."""

from __future__ import annotations

from collections import Counter

from cloud_agent.front.endings import Ending
from cloud_agent.front.limits import Limits
from cloud_agent.front.session import Session
from cloud_agent.front.tasks import OpenTask
from mc_sched.core.task import RefusalCode

OVERDUE_NS = 1_000_000_000
"""Time after a task's budget at which its worker's answer is not awaited any more. A worker that
works has ended the task before."""


class OpenTasks:
    """Open tasks by key; counts them per client and edge, and the bytes of unfinished payloads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._tasks: dict[str, OpenTask] = {}
        self._uploads: dict[str, OpenTask] = {}
        """Those whose payload is not complete."""
        self._of_client: Counter[str] = Counter()
        self.upload_bytes = 0
        """Bytes of all unfinished payloads."""

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: str) -> bool:
        return key in self._tasks

    def get(self, key: str) -> OpenTask | None:
        """Return the open task of this key, if any."""
        return self._tasks.get(key)

    def refusal(self, session: Session) -> Ending | None:
        """Return the refusal of another task of this client; None if it may be opened."""
        limits, code = self.limits, RefusalCode.TOO_MANY_TASKS
        if self._of_client[session.client] >= limits.tasks_per_client:
            has = f"{session.client} has {limits.tasks_per_client} tasks open already"
            return Ending.refused(code, f"overload: {has}, the limit per client")
        if len(self._tasks) >= limits.max_open:
            return Ending.refused(code, f"overload: {limits.max_open} tasks are open already")
        return None

    def overload(self, session: Session, part_bytes: int) -> Ending | None:
        """Return the refusal of a task if its next bytes would be too many; None if they fit."""
        limits = self.limits
        if session.upload_bytes + part_bytes > limits.session_upload_bytes:
            whose, most = "of this session", limits.session_upload_bytes
        elif self.upload_bytes + part_bytes > limits.upload_bytes:
            whose, most = "of all clients", limits.upload_bytes
        else:
            return None
        reason = f"overload: the unfinished payloads {whose} would exceed {most} bytes"
        return Ending.refused(RefusalCode.TOO_MANY_TASKS, reason)

    def add(self, task: OpenTask) -> None:
        """Add a task whose payload begins to arrive."""
        self._tasks[task.key] = self._uploads[task.key] = task
        task.session.tasks[task.task_id] = task
        task.session.edge.open_tasks += 1
        self._of_client[task.session.client] += 1

    def hold(self, task: OpenTask, part: bytes) -> None:
        """Keep the next bytes of an unfinished payload."""
        task.add(part)
        task.session.upload_bytes += len(part)
        self.upload_bytes += len(part)

    def complete(self, task: OpenTask, part: bytes) -> bytes:
        """Take the last bytes of a payload; return all of it, which is not held any more."""
        self._release(task)
        parts, task.parts = [*task.parts, part], []
        return part if len(parts) == 1 else b"".join(parts)

    def remove(self, task: OpenTask) -> None:
        """Remove a task that has ended, with its bytes."""
        if task.key in self._uploads:
            self._release(task)
        del self._tasks[task.key]
        session = task.session
        del session.tasks[task.task_id]
        session.edge.open_tasks -= 1
        self._of_client[session.client] -= 1
        if not self._of_client[session.client]:
            del self._of_client[session.client]

    def on_worker(self, index: int) -> list[OpenTask]:
        """Return the tasks that a worker has."""
        return [
            task
            for task in self._tasks.values()
            if task.worker is not None and task.worker.index == index
        ]

    def slow(self, now_ns: int) -> list[tuple[OpenTask, Ending]]:
        """Return the tasks whose upload or answer takes too long, with their ends."""
        found = []
        for task in self._uploads.values():
            limit_ns = min(task.opened.budget_ns, self.limits.upload_ns)
            if now_ns - task.opened_ns > limit_ns:
                arrived = f"{task.held_bytes} of {task.opened.payload_bytes} bytes arrived in"
                limit = f"{limit_ns / 1e9:g} s, the task's budget or limits.upload"
                found.append((task, Ending.rejected(f"payload: only {arrived} {limit}")))
        silent = Ending.stopped("the worker has not answered within the task's budget", failed=True)
        for task in self._tasks.values():
            due_ns = task.opened_ns + task.opened.budget_ns
            if task.worker is not None and now_ns - due_ns > OVERDUE_NS:
                found.append((task, silent))
        return found

    def _release(self, task: OpenTask) -> None:
        del self._uploads[task.key]
        task.session.upload_bytes -= task.held_bytes
        self.upload_bytes -= task.held_bytes
