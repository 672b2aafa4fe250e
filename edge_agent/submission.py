"""One task from its request to its outcome: quota, checks, admission of the image, scheduling."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mc_proto import serde
from mc_proto.quota import Quota, QuotaExceeded
from mc_proto.v1 import edge_pb2

from edge_agent.admission import Admission, Admitted, Overloaded
from edge_agent.driver import EdgeDriver
from edge_agent.traces import TaskTraces
from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Outcome, OutcomeKind, RefusalCode, Task
from mc_sched.service.logger import about_task


@dataclass(frozen=True)
class Caller:
    """The client of a call."""

    name: str
    """The name on its certificate, or its host; quotas are per name."""
    traceparent: str
    """Trace of all tasks of the call that name none of their own; "" for none."""


class Submissions:
    """Takes requests until each has its outcome."""

    def __init__(
        self,
        driver: EdgeDriver,
        admission: Admission,
        traces: TaskTraces,
        message_bytes: Mapping[str, int] | None = None,
        tasks_per_client: int = 256,
        logger: logging.Logger | None = None,
    ) -> None:
        """`message_bytes` is the payload size of each codec that encodes only when it sends."""
        self._driver = driver
        self._admission = admission
        self._traces = traces
        self._message_bytes = message_bytes or {}
        self._quota = Quota(tasks_per_client, "tasks")
        self._logger = logger or logging.getLogger(__name__)
        self._numbers = itertools.count(1)
        self._arriving: set[str] = set()
        """Ids of tasks whose image is being decoded."""

    def set_tasks_per_client(self, most: int) -> None:
        """Change how many tasks one client may have open."""
        self._quota.most = most

    async def outcome(self, request: edge_pb2.Task, arrived_ns: int, caller: Caller) -> Outcome:
        """Run a task to its outcome; its deadline counts from `arrived_ns`.

        A task is refused if its client has too many or too many images wait. Raises BadField for
        input that cannot be a task.
        """
        try:
            with self._quota.one(caller.name):
                return await self._run(request, arrived_ns, caller.traceparent)
        except (Overloaded, QuotaExceeded) as error:
            return Outcome(
                task_id=request.task_id or self._free_id(),
                stream_id=request.stream_id,
                kind=OutcomeKind.REFUSED,
                latency_ns=0,
                reason=str(error),
                refusal=RefusalCode.TOO_MANY_TASKS,
            )

    async def again(self, task_id: str) -> Outcome | None:
        """Run the image of a finished task at a QoR one step higher; None if it is forgotten."""
        return await self._driver.again(task_id)

    async def _run(self, request: edge_pb2.Task, arrived_ns: int, traceparent: str) -> Outcome:
        serde.check_task(request, POLICIES)
        task_id = request.task_id or self._free_id()
        image = await self._admitted(request, task_id)
        trace_id = self._traces.trace_of(request, task_id, traceparent)
        task = self._task(request, task_id, arrived_ns, image, trace_id)
        outcome = await self._driver.submit(task, image)
        self._log_outcome(outcome, trace_id)
        return outcome

    async def _admitted(self, request: edge_pb2.Task, task_id: str) -> Admitted:
        privacy = serde.privacy_from_wire(request)
        with self._reserved(task_id):
            try:
                return await self._admission.admit(request.image, privacy.allows("jpeg"))
            except ValueError as error:
                raise serde.BadField("image", str(error)) from None

    def _task(
        self,
        request: edge_pb2.Task,
        task_id: str,
        arrived_ns: int,
        image: Admitted,
        trace_id: str,
    ) -> Task:
        privacy = serde.privacy_from_wire(request)
        payload_bytes = {c: n for c, n in self._message_bytes.items() if privacy.allows(c)}
        if image.jpeg is not None:
            payload_bytes["jpeg"] = len(image.jpeg)
        return serde.task_from_wire(
            request, task_id, arrived_ns, POLICIES, payload_bytes, image.encoding_ns, trace_id
        )

    @contextmanager
    def _reserved(self, task_id: str) -> Iterator[None]:
        """Keep an id from other tasks until the driver knows it."""
        if self._is_taken(task_id):
            raise serde.BadField("task_id", f"{task_id!r} is the id of a task that is still open")
        self._arriving.add(task_id)
        try:
            yield
        finally:
            self._arriving.discard(task_id)

    def _free_id(self) -> str:
        """Return an id for a task that came without one."""
        return next(i for n in self._numbers if not self._is_taken(i := f"t{n}"))

    def _is_taken(self, task_id: str) -> bool:
        return task_id in self._arriving or self._driver.known(task_id)

    def _log_outcome(self, outcome: Outcome, trace_id: str) -> None:
        """Log the end of a task: a warning if it failed, else at debug level, as there are many."""
        level = logging.WARNING if outcome.kind is OutcomeKind.FAILED else logging.DEBUG
        if self._logger.isEnabledFor(level):
            detail = outcome.reason or outcome.exit or ""
            about = about_task(outcome.task_id, trace_id)
            fields = (outcome.task_id, outcome.kind.value, detail)
            self._logger.log(level, "task %s: %s, %s", *fields, extra=about)
