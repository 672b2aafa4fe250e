"""The calls of a simulated edge to its cloud agent: uploads, give-ups and the cloud's messages.

The timeout of a call is left out. It is one second after the deadline, and by then the machine has
given up every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.payloads import payload_bytes
from mc_sched.core.task import Outcome
from mc_sched.sim.arrivals import OpenTask
from mc_sched.sim.call import Call, Message
from mc_sched.sim.clock import Clock
from mc_sched.sim.cloud import SimCloud
from mc_sched.sim.radio_link import CONTROL_BYTES, RadioLink, Transfer
from mc_sched.sim.truth import Truth

GIVE_UP_GRACE_NS = 1_000_000_000
"""Time in which the cloud may confirm a give-up before the call is cut, as in the agent."""
_LAST = (do.Refuse, do.Reply, do.Stop)


class CloudClient:
    """One edge's calls to one cloud agent."""

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
        self._calls: dict[str, Call] = {}

    @property
    def is_idle(self) -> bool:
        """True if no call is open."""
        return not self._calls

    def is_right(self, outcome: Outcome, image: int) -> bool:
        """Return True if the cloud's answer about this image is right."""
        assert outcome.exit is not None
        accuracy = self.cloud.table.exit_named(outcome.exit).accuracy[outcome.codec or "jpeg"]
        return self.truth.is_right(image, self.cloud.nets[outcome.exit], accuracy)

    # --- to the cloud -------------------------------------------------------------------------

    def send(self, action: do.SendToCloud) -> None:
        """Open a call and upload the payload."""
        received, task = self.cloud.received, self._tasks[action.task_id]
        call = Call(self, action, task.image)
        size_bytes = payload_bytes(task.task, action.codec, self.cloud.table)
        call.transfer = Transfer(size_bytes, lambda: received(call))
        self._calls[action.task_id] = call
        self.link.send(call.transfer)

    def give_up(self, action: do.SendGiveUp) -> None:
        """Tell the cloud to stop, and cut an upload that is still running."""
        call = self._calls.get(action.task_id)
        if call is None:
            return
        call.given_up = True
        self._clock.at(self.link.control_ns(CONTROL_BYTES), self.cloud.give_up, call)
        if call.accepted:
            self._clock.at(self._clock.now_ns + GIVE_UP_GRACE_NS, self._cut, call)
        else:
            self._hang_up(call)
            self._clock.at(self._clock.now_ns, self._upload_stopped, action.task_id)

    def _upload_stopped(self, task_id: str) -> None:
        self._handle(ev.CloudStopped(self._clock.now_ns, task_id, "the upload was stopped"))

    def cut_calls(self) -> None:
        """Cut all calls, because the cloud agent is lost."""
        for call in list(self._calls.values()):
            self._clock.at(self._clock.now_ns, self._cut, call)

    def _cut(self, call: Call) -> None:
        if call.is_open:
            self._hang_up(call)
            self._handle(
                ev.CloudLost(self._clock.now_ns, call.action.task_id, "the connection was cut")
            )

    def _hang_up(self, call: Call) -> None:
        assert call.transfer is not None
        self._closed(call)
        self.link.drop(call.transfer)
        self._clock.at(self.link.control_ns(CONTROL_BYTES), self.cloud.hang_up, call)

    def _closed(self, call: Call) -> None:
        call.is_open = False
        del self._calls[call.action.task_id]

    # --- from the cloud -----------------------------------------------------------------------

    def accepted(self, call: Call, action: do.Accept, held_ns: int) -> None:
        """Receive the acceptance, which the cloud has sent `held_ns` after the payload's end."""
        if call.is_open:
            call.accepted = True
            self._handle(
                ev.CloudAccepted(
                    self._clock.now_ns, call.action.task_id, action.exit, action.predicted_ns,
                    action.queue_ns, held_ns, call.transfer_ns,
                )
            )  # fmt: skip

    def lost(self, call: Call, reason: str) -> None:
        """Handle the loss of the call."""
        if call.is_open:
            self._closed(call)
            self._handle(ev.CloudLost(self._clock.now_ns, call.action.task_id, reason))

    def message(self, call: Call, action: Message, held_ns: int) -> None:
        """Receive a message, which the cloud has sent `held_ns` after the acceptance."""
        if not call.is_open:
            return
        if isinstance(action, _LAST):
            self._closed(call)
        self._handle(self._event_of(call.action.task_id, action, held_ns))

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
            return ev.CloudRefused(now_ns, task_id, action.reason)
        return ev.CloudStopped(now_ns, task_id, action.reason, action.compute_ns, action.failed)
