"""The front: sessions, open tasks and workers, and how they are joined.

A complete task goes to the worker that promises the earliest answer. A worker's messages go to the
session that has the task. Whatever ends a task ends it everywhere: in its session, on its worker
and in the limits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.quota import Quota
from mc_proto.serde.fields import check_edge_id

from cloud_agent.front.edges import Edge
from cloud_agent.front.endings import Ending
from cloud_agent.front.heap import give_back
from cloud_agent.front.limits import Limits, SessionError
from cloud_agent.front.load import Load
from cloud_agent.front.open_tasks import OpenTasks
from cloud_agent.front.pool import WorkerPool, name_of
from cloud_agent.front.session import Session
from cloud_agent.front.tasks import OpenTask
from cloud_agent.front.worker_link import Worker
from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import events as ev
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import MAX_DEADLINE_NS, RefusalCode
from mc_sched.obs.log.event_log import EventLog
from mc_sched.service.logger import about_task
from mc_sched.service.loop_lag import LoopLag

SWEEP_S = 0.25
"""Interval of the checks that no message triggers: overdue tasks, load, wanted credits."""
DRAIN_POLL_S = 0.02
GIVE_BACK_MESSAGES = 1000
"""Messages of clients after which an idle front gives memory back to the system."""
DRAINING = Ending.refused(RefusalCode.DRAINING, "the agent is shutting down")


class Front:
    """Joins sessions and workers; lives on one event loop. Implements WorkerEvents."""

    def __init__(
        self,
        workers: Sequence[Worker],
        limits: Limits,
        log: EventLog,
        logger: logging.Logger,
        on_serving: Callable[[str, bool], None] = lambda part, serving: None,
    ) -> None:
        """`on_serving` is called when a part, such as `worker-1`, comes up or goes down."""
        self.tasks = OpenTasks(limits)
        self.pool = WorkerPool(workers)
        self.quota = Quota(limits.sessions_per_client, "sessions")
        """Sessions of each client, those included that were cut and wait to be read."""
        self.draining = False
        self.ends: Counter[tuple[str, str]] = Counter()
        """(last message, code of a refusal) -> tasks that the front itself ended."""
        self._edges: dict[str, Edge] = {}
        self._log, self._logger, self._on_serving = log, logger, on_serving
        self.lag = LoopLag(asyncio.get_running_loop())
        """Wait of messages whose senders give no times."""
        self._sweep: asyncio.TimerHandle | None = None
        self.unreturned = 0
        """Messages of clients since memory was given back to the system."""

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.tasks.limits

    def set_limits(self, limits: Limits) -> None:
        """Use other limits from now on."""
        self.tasks.limits = limits
        self.quota.most = limits.sessions_per_client

    @property
    def sessions(self) -> list[Session]:
        """All open sessions."""
        return [session for edge in self._edges.values() for session in edge.sessions]

    def load(self, now_ns: int) -> Load:
        """Return the load that is reported to clients."""
        return self.pool.load(now_ns, self.draining)

    # --- from start to stop ---------------------------------------------------------------------

    def start(self) -> None:
        """Begin the periodic checks."""
        self.lag.start()
        self._plan_sweep()

    def stop(self) -> None:
        """End the periodic checks."""
        self.lag.stop()
        if self._sweep is not None:
            self._sweep.cancel()

    async def drain(self) -> None:
        """Refuse new tasks, finish the open ones, end the sessions."""
        now_ns = time.monotonic_ns()
        self.draining = True
        self.pool.broadcast(ev.Drain(now_ns))
        for session in self.sessions:
            session.outbox.wake()
            session.end_if_idle()
        while self._edges:
            await asyncio.sleep(DRAIN_POLL_S)

    def _plan_sweep(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._check)

    def _check(self) -> None:
        now_ns = time.monotonic_ns()
        for task, ending in self.tasks.slow(now_ns):
            self.end(task, ending, now_ns)
        for edge in self._edges.values():
            if edge.wanted != edge.known_wanted:
                edge.known_wanted = edge.wanted
                self.pool.broadcast(ev.CreditsWanted(now_ns, edge.edge_id, edge.wanted))
            for session in edge.sessions:
                session.refresh(now_ns)
        if not len(self.tasks) and self.unreturned >= GIVE_BACK_MESSAGES:
            self.unreturned = 0
            give_back()
        self._plan_sweep()

    # --- sessions -------------------------------------------------------------------------------

    def join(self, hello: Any, client: str, owner: str) -> Session:
        """Open a session; SessionError if it cannot be opened as it is."""
        if self.draining:
            raise SessionError(grpc.StatusCode.UNAVAILABLE, DRAINING.reason)
        now_ns = time.monotonic_ns()
        edge = self._edges.get(hello.edge_id)
        self._check_hello(hello, owner, edge)
        if edge is None:
            edge = self._edges[hello.edge_id] = Edge(hello.edge_id, owner)
            self.pool.broadcast(ev.EdgeJoined(now_ns, edge.edge_id))
        session = Session(self, edge, client, now_ns)
        edge.sessions.append(session)
        self._send_credits(edge)
        self.note_session(session, f"opened by {client}", "info")
        return session

    def _check_hello(self, hello: Any, owner: str, edge: Edge | None) -> None:
        try:
            check_edge_id("hello.edge_id", hello.edge_id)
        except serde.BadField as error:
            raise SessionError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
        if hello.bundle_hash != self.table.bundle_hash:
            raise SessionError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "hello.bundle_hash: the edge runs another bundle; install the same one on both",
            )
        if edge is not None and edge.owner != owner:
            raise SessionError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "hello.edge_id: belongs to another certificate; give each edge an id of its own",
            )

    @property
    def table(self) -> CloudTable:
        """Tables of the bundle that the workers host."""
        return self.pool.table

    def leave(self, session: Session) -> None:
        """Forget a session that is over, and stop the work on its tasks."""
        now_ns = time.monotonic_ns()
        edge = session.edge
        for task in list(session.tasks.values()):
            self.end(task, None, now_ns)
        edge.sessions.remove(session)
        if edge.sessions:
            self._send_credits(edge)
        else:
            del self._edges[edge.edge_id]
            self.pool.broadcast(ev.EdgeLeft(now_ns, edge.edge_id))
        self.note_session(session, "over", "info")

    def note_session(self, session: Session, what: str, level: str) -> None:
        """Log what happens to a session."""
        edge_id = session.edge.edge_id
        note = {"edge_id": edge_id, "session": what}
        self._log.write(time.monotonic_ns(), "note", note, level)
        number = logging.WARNING if level == "warning" else logging.DEBUG
        self._logger.log(number, "session of %s: %s", edge_id, what)

    # --- tasks ----------------------------------------------------------------------------------

    def refusal(self, session: Session, waited_ns: int, now_ns: int) -> Ending | None:
        """Return the refusal of another task in this session; None if it may be opened.

        The task waited `waited_ns` in transit.
        """
        if self.draining:
            return DRAINING
        if not self.pool.any_up:
            return Ending.refused(RefusalCode.INFEASIBLE, self.pool.fault)
        edge = session.edge
        if not edge.has_credit(now_ns, waited_ns):
            edge.wanted += 1
            reason = f"{edge.open_tasks} tasks are open, and the edge has {edge.credits} credits"
            return Ending.refused(RefusalCode.NO_CREDIT, reason)
        return self.tasks.refusal(session)

    def dispatch(self, task: OpenTask, payload: bytes, now_ns: int) -> None:
        """Send a task with its whole payload to a worker."""
        opened, edge = task.opened, task.session.edge
        worker = self.pool.choose(now_ns, opened.codec, opened.accuracy)
        if worker is None:
            self.end(task, Ending.refused(RefusalCode.INFEASIBLE, self.pool.fault), now_ns)
            return
        task.worker = worker
        event = serde.session_task_received(
            opened, edge.edge_id, task.key, now_ns, task.opened_ns, task.hidden_ns,
            self.limits.exit_rule,
        )  # fmt: skip
        worker.receive(event, payload, task.trace_id)

    def end(self, task: OpenTask, ending: Ending | None, now_ns: int) -> None:
        """End a task on the front's own account, with this last message or none."""
        if task.worker is not None:
            task.worker.handle(ev.ClientGone(now_ns, task.key))
        if ending is not None:
            task.session.outbox.post(ending.encoded(task.task_id))
            self.record(task.key, task.trace_id, ending, now_ns)
        self._forget(task, now_ns)

    def record(self, key: str, trace_id: str, ending: Ending, now_ns: int) -> None:
        """Log and count the end of a task that no worker has ended."""
        code = "" if ending.code is None else ending.code.value
        self.ends[ending.message, code] += 1
        note = {"task_id": key, ending.message: ending.reason}
        self._log.write(now_ns, "note", note, "warning" if ending.failed else "info")
        self._log_end(key, trace_id, TaskEnd(ending.message, ending.reason, ending.failed))

    def give_up(self, edge_id: str, task_id: str, owner: str) -> bool:
        """Stop a task on the instruction of its edge; return True if it was open."""
        now_ns = time.monotonic_ns()
        edge = self._edge_of(edge_id, owner)
        if edge is None:
            return False
        task = self.tasks.get(f"{edge_id}/{task_id}")
        if task is None:
            if not any(task_id in session.intake.ended for session in edge.sessions):
                edge.expect_no_more(task_id, now_ns)
            return False
        if task.worker is None:
            self.end(task, Ending.stopped("the upload was given up"), now_ns)
        else:
            task.worker.handle(ev.GiveUpReceived(now_ns, task.key))
        return True

    def sample_link(self, edge_id: str, rtt_ns: int, owner: str) -> None:
        """Take a round trip that an edge measured; one of an edge without a session is ignored."""
        if self._edge_of(edge_id, owner) is not None:
            sample = ev.LinkSampled(
                time.monotonic_ns(), min(rtt_ns, MAX_DEADLINE_NS), edge_id=edge_id
            )
            self.pool.broadcast(sample)

    def _edge_of(self, edge_id: str, owner: str) -> Edge | None:
        """Return an edge that has a session and belongs to this certificate, if there is one."""
        edge = self._edges.get(edge_id)
        return edge if edge is not None and edge.owner == owner else None

    def _forget(self, task: OpenTask, now_ns: int) -> None:
        session = task.session
        self.tasks.remove(task)
        session.intake.ended.add(task.task_id, now_ns)
        if not session.tasks:
            session.end_if_idle()

    def _log_end(self, key: str, trace_id: str, end: TaskEnd) -> None:
        """Log the end of a task: a warning if it failed, else at debug level, as there are many."""
        level = logging.WARNING if end.failed else logging.DEBUG
        if self._logger.isEnabledFor(level):
            about = about_task(key, trace_id)
            self._logger.log(level, "task %s: %s, %s", key, end.message, end.detail, extra=about)

    # --- from the workers -----------------------------------------------------------------------

    def on_message(self, worker: Worker, key: str, reply: bytes, end: TaskEnd | None) -> None:
        """Forward a message to the edge."""
        task = self.tasks.get(key)
        if task is None or task.worker is not worker:
            return
        task.session.outbox.post(reply)
        if end is not None:
            self._log_end(key, task.trace_id, end)
            self._forget(task, time.monotonic_ns())

    def on_grant(self, worker: Worker, edge_id: str, credits: int) -> None:
        """Take the number of tasks that an edge may have on this worker."""
        edge = self._edges.get(edge_id)
        if edge is not None and edge.grant(time.monotonic_ns(), worker.index, credits):
            self._send_credits(edge)

    def on_load(self, worker: Worker) -> None:
        """Take a new report of the worker's load."""
        self.pool.report(worker)

    def on_up(self, worker: Worker) -> None:
        """Use a worker that has come up."""
        self.pool.add(worker)
        now_ns = time.monotonic_ns()
        for edge in self._edges.values():
            worker.handle(ev.EdgeJoined(now_ns, edge.edge_id))
        self._note_worker(worker, "is up", "info")
        self._on_serving(f"worker-{worker.index}", True)

    def on_down(self, worker: Worker, reason: str) -> None:
        """End the tasks of a worker that has died."""
        now_ns = time.monotonic_ns()
        what = f"died: {reason}" + ("" if self.draining else "; it is being started again")
        self.pool.remove(worker, f"{name_of(worker)} {what}")
        self._note_worker(worker, what, "warning")
        ending = Ending.stopped(f"{name_of(worker)} {what}", failed=True)
        for task in self.tasks.on_worker(worker.index):
            task.worker = None
            self.end(task, ending, now_ns)
        for edge in self._edges.values():
            if edge.grant(now_ns, worker.index, None):
                self._send_credits(edge)
        self._on_serving(f"worker-{worker.index}", False)

    def _send_credits(self, edge: Edge) -> None:
        for session in edge.sessions:
            session.outbox.wake()

    def _note_worker(self, worker: Worker, what: str, level: str) -> None:
        """Log what happens to a worker."""
        note = {"worker": worker.index, "device": worker.device, "state": what}
        self._log.write(time.monotonic_ns(), "note", note, level)
        number = logging.WARNING if level == "warning" else logging.INFO
        self._logger.log(number, "%s %s", name_of(worker), what)
