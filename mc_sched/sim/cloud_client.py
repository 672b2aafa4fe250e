"""A simulated edge's session with its cloud agent: uploads, give-ups and the cloud's messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.payloads import payload_bytes
from mc_sched.core.task import Outcome
from mc_sched.sim.arrivals import OpenTask
from mc_sched.sim.clock import Clock
from mc_sched.sim.cloud import SimCloud
from mc_sched.sim.radio_link import CONTROL_BYTES, RadioLink, Transfer
from mc_sched.sim.sent_task import Message, SentTask
from mc_sched.sim.truth import Truth

GIVE_UP_GRACE_NS = 1_000_000_000
"""Time in which the cloud may confirm a give-up before the task ends here, as in the agent."""
_LAST = (do.Refuse, do.Reply, do.Stop)


class CloudClient:
    """One edge's end of its session with one cloud agent."""

    def __init__(
        self,
        clock: Clock,
        edge_id: str,
        link: RadioLink,
        cloud: SimCloud,
        truth: Truth,
        tasks: Mapping[str, OpenTask],
        handle: Callable[[ev.EdgeEvent], None],
    ) -> None:
        self.edge_id, self.link, self.truth, self.cloud = edge_id, link, truth, cloud
        self._clock, self._tasks, self._handle = clock, tasks, handle
        self._sent: dict[str, SentTask] = {}
        self._session = 0
        """Number of the last session that was opened."""
        self._opened: Callable[[], None] | None = None
        """Called when the first credits of the session arrive; None before and after."""

    @property
    def is_idle(self) -> bool:
        """True if no task is open."""
        return not self._sent

    def is_right(self, outcome: Outcome, image: int) -> bool:
        """Return True if the cloud's answer about this image is right."""
        assert outcome.exit is not None
        accuracy = self.cloud.table.exit_named(outcome.exit).accuracy[outcome.codec or "jpeg"]
        return self.truth.is_right(image, self.cloud.nets[outcome.exit], accuracy)

    # --- the session --------------------------------------------------------------------------

    def open_session(self, opened: Callable[[], None]) -> None:
        """Open a session; `opened` is called when its first credits are here."""
        self._session += 1
        self._opened = opened
        arrives_ns = self.link.control_ns(CONTROL_BYTES)
        self._clock.at(arrives_ns, self.cloud.join, self, self._session)

    def close_session(self) -> None:
        """End the session, because the cloud agent is lost; its tasks are lost with it."""
        self._opened = None
        for sent in list(self._sent.values()):
            assert sent.transfer is not None
            self.link.drop(sent.transfer)
            self._clock.at(self._clock.now_ns, self._lost, sent)
        if self._session:
            arrives_ns = self.link.control_ns(CONTROL_BYTES)
            self._clock.at(arrives_ns, self.cloud.leave, self, self._session)

    def credits_granted(self, session: int, credits: int) -> None:
        """Receive the credits of a session; those of an earlier one are ignored."""
        if session != self._session:
            return
        self._handle(ev.CreditsGranted(self._clock.now_ns, credits))
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened()

    def load_reported(self, session: int, load: CloudLoad) -> None:
        """Receive the cloud's load; that of an earlier session is ignored."""
        if session == self._session:
            now_ns = self._clock.now_ns
            self._handle(ev.CloudLoadSampled(now_ns, load.queue_ns, load.slowdown))

    def _lost(self, sent: SentTask) -> None:
        if sent.is_open:
            self._closed(sent)
            reason = "the connection was cut"
            self._handle(ev.CloudLost(self._clock.now_ns, sent.action.task_id, reason))

    # --- to the cloud -------------------------------------------------------------------------

    def send(self, action: do.SendToCloud) -> None:
        """Send a task with its payload."""
        received, task, now_ns = (
            self.cloud.received,
            self._tasks[action.task_id],
            self._clock.now_ns,
        )
        sent = SentTask(self, self._session, action, task.image, now_ns)
        size_bytes = payload_bytes(task.task, action.codec, self.cloud.table)
        due_ns = now_ns + action.budget_ns
        sent.transfer = Transfer(size_bytes, lambda: received(sent), due_ns, self.edge_id)
        self._sent[action.task_id] = sent
        self.link.send(sent.transfer)

    def give_up(self, action: do.SendGiveUp) -> None:
        """Stop the upload of a task, and tell the cloud to stop its work if it knows the task."""
        sent = self._sent.get(action.task_id)
        if sent is None:
            return
        assert sent.transfer is not None
        self.link.drop(sent.transfer)
        now_ns = self._clock.now_ns
        if sent.begun_ns < 0:
            self._clock.at(now_ns, self._stop, sent, "the upload was stopped")
        else:
            self._clock.at(self.link.control_ns(CONTROL_BYTES), self.cloud.give_up, sent)
            reason = "the cloud did not confirm the give-up"
            self._clock.at(now_ns + GIVE_UP_GRACE_NS, self._stop, sent, reason)

    def _stop(self, sent: SentTask, reason: str) -> None:
        """End a task here, unless it has ended meanwhile."""
        if sent.is_open:
            self._closed(sent)
            self._handle(ev.CloudStopped(self._clock.now_ns, sent.action.task_id, reason))

    def _closed(self, sent: SentTask) -> None:
        sent.is_open = False
        del self._sent[sent.action.task_id]

    # --- from the cloud -----------------------------------------------------------------------

    def accepted(self, sent: SentTask, action: do.Accept, held_ns: int) -> None:
        """Receive the acceptance, which the cloud has sent `held_ns` after the payload's end."""
        if sent.is_open:
            self._handle(
                ev.CloudAccepted(
                    self._clock.now_ns, sent.action.task_id, action.exit, action.predicted_ns,
                    action.queue_ns, held_ns, sent.transfer_ns,
                )
            )  # fmt: skip

    def message(self, sent: SentTask, action: Message, held_ns: int) -> None:
        """Receive a message, which the cloud has sent `held_ns` after the acceptance."""
        if not sent.is_open:
            return
        if isinstance(action, _LAST):
            self._closed(sent)
        self._handle(self._event_of(sent.action.task_id, action, held_ns))

    def _event_of(self, task_id: str, action: Message, held_ns: int) -> ev.EdgeEvent:
        now_ns = self._clock.now_ns
        if isinstance(action, do.Reply):
            return ev.CloudReplied(
                now_ns, task_id, action.exit, action.prediction, action.compute_ns,
                action.queue_ns, action.slowdown, REPLY_BYTES, held_ns,
            )  # fmt: skip
        if isinstance(action, do.Progress):
            return ev.CloudProgressed(now_ns, task_id, action.stage, action.remaining_ns)
        if isinstance(action, do.Refuse):
            return ev.CloudRefused(now_ns, task_id, action.reason, action.code)
        return ev.CloudStopped(now_ns, task_id, action.reason, action.compute_ns, action.failed)
