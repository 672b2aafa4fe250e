"""One task from its request to its outcome: quota, checks, admission of the image, scheduling.

Everything runs on the loop and by callbacks, as a stream brings hundreds of tasks per second and an
asyncio task for each would cost more than its decision.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from mc_proto import serde
from mc_proto.quota import Quota, QuotaExceeded
from mc_proto.v1 import edge_pb2

from edge_agent.admission import Admission, Admitted, Overloaded
from edge_agent.driver import BadImage, EdgeDriver
from edge_agent.traces import TaskTraces
from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Outcome, OutcomeKind, RefusalCode, Task
from mc_sched.service.logger import about_task

End = Outcome | serde.BadField | None
"""The outcome of a task, the error of input that cannot be a task, or None: its client has left."""
Ended = Callable[[End], None]
"""Receives the end of a task; called once."""


@dataclass(frozen=True)
class Arrival:
    """Arrival of a task: its client, when it was sent, and the time its outcome needs to return."""

    client: str
    """The name on the client's certificate, or its host; quotas are per name."""
    traceparent: str
    """Trace of all tasks of the call that name none of their own; "" for none."""
    sent_ns: int
    """Moment on this node's clock when the task was sent; its deadline counts from it."""
    return_ns: int = 0
    """Part of the deadline that the outcome needs to return to the client."""


class Submission:
    """A task between its request and its outcome."""

    def __init__(self, request: edge_pb2.Task, arrival: Arrival, ended: Ended) -> None:
        self.request, self.arrival = request, arrival
        self.task_id = request.task_id
        self.decoding: Future[Admitted] | None = None
        """Its image's decoding on the pool, while that runs."""
        self.trace_id = ""
        self._ended: Ended | None = ended

    @property
    def open(self) -> bool:
        """True until the task has ended, or its client has left."""
        return self._ended is not None

    def end(self, end: End) -> None:
        """End the task."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(end)


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

    def begin(self, request: edge_pb2.Task, arrival: Arrival, ended: Ended) -> Submission:
        """Take a request; `ended` is called once, perhaps before this returns.

        A task is refused if its client has too many, or if too many images wait. The end is a
        BadField for input that cannot be a task.
        """
        submission = Submission(request, arrival, ended)
        try:
            self._quota.enter(arrival.client)
        except QuotaExceeded as error:
            submission.end(self.refused(request, RefusalCode.TOO_MANY_TASKS, str(error)))
            return submission
        try:
            serde.check_task(request, POLICIES)
            self._admit(submission)
        except serde.BadField as error:
            self._end(submission, error)
        except Overloaded as error:
            self._end(submission, self.refused(request, RefusalCode.TOO_MANY_TASKS, str(error)))
        return submission

    def leave(self, submission: Submission) -> None:
        """Stop the work on a task whose client has left."""
        if not submission.open:
            return
        self._end(submission, None)
        if submission.decoding is not None:
            self._arriving.discard(submission.task_id)
            submission.decoding.cancel()
        else:
            self._driver.leave(submission.task_id)

    def refused(self, request: edge_pb2.Task, code: RefusalCode, reason: str) -> Outcome:
        """Return the outcome of a task that is refused before the scheduler sees it."""
        return Outcome(
            task_id=request.task_id or self._free_id(),
            stream_id=request.stream_id,
            kind=OutcomeKind.REFUSED,
            latency_ns=0,
            reason=reason,
            refusal=code,
        )

    # --- the image --------------------------------------------------------------------------

    def _admit(self, submission: Submission) -> None:
        request = submission.request
        submission.task_id = task_id = request.task_id or self._free_id()
        if self._is_taken(task_id):
            raise serde.BadField("task_id", f"{task_id!r} is the id of a task that is still open")
        as_jpeg = serde.privacy_from_wire(request).allows("jpeg")
        image = self._admission.at_once(request.image, as_jpeg)
        if image is not None:
            self._submit(submission, image)
            return
        due_ns = submission.arrival.sent_ns + request.deadline_ns
        submission.decoding = self._admission.decode(
            request.image, as_jpeg, due_ns, lambda result: self._decoded(submission, result)
        )
        self._arriving.add(task_id)

    def _decoded(self, submission: Submission, result: Admitted | BaseException) -> None:
        if not submission.open:
            return
        submission.decoding = None
        self._arriving.discard(submission.task_id)
        if isinstance(result, Admitted):
            self._submit(submission, result)
        elif isinstance(result, Overloaded):
            code, request = RefusalCode.TOO_MANY_TASKS, submission.request
            self._end(submission, self.refused(request, code, str(result)))
        elif isinstance(result, ValueError):
            self._end(submission, serde.BadField("image", str(result)))
        else:
            raise result

    # --- the scheduler ----------------------------------------------------------------------

    def _submit(self, submission: Submission, image: Admitted) -> None:
        request, arrival = submission.request, submission.arrival
        submission.trace_id = self._traces.trace_of(
            request, submission.task_id, arrival.traceparent
        )
        task = self._task(submission, image)
        self._driver.submit(task, image, lambda end: self._driver_ended(submission, image, end))

    def _task(self, submission: Submission, image: Admitted) -> Task:
        request, arrival = submission.request, submission.arrival
        privacy = serde.privacy_from_wire(request)
        payload_bytes = {c: n for c, n in self._message_bytes.items() if privacy.allows(c)}
        if image.jpeg is not None:
            payload_bytes["jpeg"] = len(image.jpeg)
        return serde.task_from_wire(
            request,
            submission.task_id,
            arrival.sent_ns,
            payload_bytes,
            image.encoding_ns,
            submission.trace_id,
            arrival.return_ns,
        )

    def _driver_ended(
        self, submission: Submission, image: Admitted, end: Outcome | BadImage
    ) -> None:
        if isinstance(end, BadImage):
            self._end(submission, serde.BadField("image", end.reason))
        elif end.kind is OutcomeKind.FAILED and not image.is_decoded:
            # the cloud may have failed because of the image, which nobody here has looked at
            self._admission.check(image, lambda: self._checked(submission, image, end))
        else:
            self._output(submission, end)

    def _checked(self, submission: Submission, image: Admitted, outcome: Outcome) -> None:
        if image.damage:
            self._end(submission, serde.BadField("image", image.damage))
        else:
            self._output(submission, outcome)

    def _output(self, submission: Submission, outcome: Outcome) -> None:
        self._log_outcome(outcome, submission.trace_id)
        self._end(submission, outcome)

    def _end(self, submission: Submission, end: End) -> None:
        if not submission.open:
            return
        self._quota.leave(submission.arrival.client)
        submission.end(end)

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
