"""The messages of one session: checks them and assembles payloads.

A message that is not valid ends its task with `rejected`; the session goes on. Each message is
handled at once, without a task, a future or a timer of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from mc_proto import serde
from mc_proto.v1 import cloud_pb2

from cloud_agent.front.endings import Ending
from cloud_agent.front.limits import SessionError
from cloud_agent.front.recent_ids import RecentIds
from cloud_agent.front.tasks import Open, OpenTask
from cloud_agent.front.throttle import Throttle
from mc_sched.core.predictors.transit_delay import TransitDelay
from mc_sched.core.task import RefusalCode

if TYPE_CHECKING:
    from cloud_agent.front.front import Front
    from cloud_agent.front.session import Session

ENDED_IDS = 1024
"""Tasks of a session whose late messages are ignored."""


class Intake:
    """Takes one session's messages in their order."""

    def __init__(self, front: Front, session: Session, hello_ns: int) -> None:
        self._front, self._session = front, session
        self._hello_ns = hello_ns
        self._transit = TransitDelay()
        self._throttle = Throttle()
        self.ended = RecentIds(ENDED_IDS)
        """Tasks whose late messages are ignored."""

    def take(self, request: cloud_pb2.SessionRequest, now_ns: int) -> int:
        """Handle a message; return for how many ns no further one is read.

        SessionError ends the session.
        """
        self._front.unreturned += 1
        self._front.lag.touch()
        hidden_ns = self._transit.hidden_ns(now_ns - self._hello_ns, request.sent_ns)
        kind = request.WhichOneof("message")
        if kind == "open":
            if not request.sent_ns:
                hidden_ns = self._front.lag.recent_ns()
            return self._open(request.open, hidden_ns, now_ns)
        if kind == "chunk":
            self._chunk(request.chunk, now_ns)
        elif kind == "hello":
            raise SessionError(
                grpc.StatusCode.INVALID_ARGUMENT, "hello: must be the first message only"
            )
        else:
            fault = "message: is neither open nor chunk"
            self._turn_away(Open(), Ending.rejected(fault), now_ns)
        return 0

    def close_uploads(self, now_ns: int) -> None:
        """End the tasks whose payload is not complete, as no more messages come."""
        for task in [task for task in self._session.tasks.values() if task.worker is None]:
            sizes = f"{task.held_bytes} of {task.opened.payload_bytes} bytes"
            self._front.end(task, Ending.rejected(f"payload: ended after {sizes}"), now_ns)

    def _open(self, opened: Open, hidden_ns: int, now_ns: int) -> int:
        front, session = self._front, self._session
        key = f"{session.edge.edge_id}/{opened.task_id}"
        fault = self._fault(opened, key, now_ns)
        if fault is not None:
            self._turn_away(opened, Ending.rejected(fault), now_ns)
            return 0
        session.edge.wanted = min(opened.wanted, serde.MAX_WANTED)
        if session.edge.gave_up_early(opened.task_id, now_ns):
            self._turn_away(opened, Ending.stopped("given up before it arrived"), now_ns)
            return 0
        refusal = front.refusal(session, hidden_ns, now_ns)
        if refusal is not None:
            self._turn_away(opened, refusal, now_ns)
            return self._pause_ns(now_ns) if refusal.code is RefusalCode.NO_CREDIT else 0
        trace_id = serde.session_trace(opened)
        task = OpenTask(key, session, trace_id, opened, now_ns, hidden_ns)
        front.tasks.add(task)
        self._add(task, opened.head, now_ns)
        return 0

    def _chunk(self, chunk: cloud_pb2.SessionRequest.Chunk, now_ns: int) -> None:
        task = self._session.tasks.get(chunk.task_id)
        if task is not None:
            self._add(task, chunk.data, now_ns)
        elif chunk.task_id not in self.ended:
            fault = "chunk.task_id: is not open in this session; send open first"
            self._turn_away(chunk, Ending.rejected(fault), now_ns)

    def _add(self, task: OpenTask, part: bytes, now_ns: int) -> None:
        """Take the next bytes of a payload; a complete one goes to a worker."""
        if not part:
            return
        front, announced = self._front, task.opened.payload_bytes
        missing = 0 if task.worker is not None else announced - task.held_bytes
        if len(part) > missing:
            fault = f"payload: longer than the {announced} bytes announced"
            front.end(task, Ending.rejected(fault), now_ns)
        elif len(part) == missing:
            front.dispatch(task, front.tasks.complete(task, part), now_ns)
        elif (overload := front.tasks.overload(self._session, len(part))) is not None:
            front.end(task, overload, now_ns)
        else:
            front.tasks.hold(task, part)

    def _fault(self, opened: Open, key: str, now_ns: int) -> str | None:
        """Return the reason why a task is not valid; None if it is."""
        front, task = self._front, self._session.tasks.get(opened.task_id)
        if task is not None:
            front.end(task, None, now_ns)
            return "open.task_id: was opened twice; both tasks are ended"
        if key in front.tasks:
            return "open.task_id: is open in another session of this edge"
        try:
            serde.check_session_task(
                opened, front.limits.max_payload_bytes, front.table.payload_formats
            )
        except serde.BadField as error:
            return str(error)
        return None

    def _turn_away(
        self, message: Open | cloud_pb2.SessionRequest.Chunk, ending: Ending, now_ns: int
    ) -> None:
        """End a task that was never registered."""
        session, task_id = self._session, message.task_id[: serde.MAX_ID]
        self.ended.add(task_id, now_ns)
        session.outbox.post(ending.encoded(task_id))
        self._front.record(f"{session.edge.edge_id}/{task_id}", "", ending, now_ns)

    def _pause_ns(self, now_ns: int) -> int:
        """Slow down a client that sends without credit, and cut one that goes on."""
        pause_ns = self._throttle.pause_ns(now_ns)
        if self._throttle.exhausted:
            self._session.cut("tasks are sent without credit all the time")
        return pause_ns
