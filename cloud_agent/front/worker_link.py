"""The seam between the front and its workers: what the front sends, and what comes back.

Everything runs on the front's event loop and returns at once. All moments are readings of
`time.monotonic_ns`, which all processes of one host share. A task is known by its key on this node,
`edge_id/task_id`; the worker writes `task_id` alone into the messages for the edge.
"""

from __future__ import annotations

from typing import Protocol

from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import events as ev
from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.tables import CloudTable


class Worker(Protocol):
    """A worker process as the front sees it.

    The calls about a task whose worker is not up, or has forgotten it, do nothing. After `on_down`
    the front has ended all tasks of the worker, and the worker reports nothing more about them.
    """

    @property
    def index(self) -> int:
        """Place in the configuration's `devices`, from 0."""

    @property
    def device(self) -> str:
        """Name of its device, such as `cpu` or `cuda:0`."""

    @property
    def up(self) -> bool:
        """True from `on_up` to `on_down`."""

    @property
    def table(self) -> CloudTable | None:
        """Tables of its bundle with this device's times; None before the first `on_up`."""

    @property
    def load(self) -> WorkerLoad:
        """The last report of its load; WorkerLoad's defaults before the first one."""

    def receive(self, event: ev.Received, payload: bytes, trace_id: str) -> None:
        """Hand over a task with its whole payload.

        `event.task_id` is the task's key. The task was opened `event.transfer_ns` before
        `event.now_ns`; the times of its story count from that moment. `trace_id` is empty for none.
        Exactly one last message follows, unless the client is gone or the worker goes down first.
        """

    def handle(self, event: ev.CloudEvent) -> None:
        """Hand over any other event of the front.

        These are GiveUpReceived, ClientGone, LinkSampled, EdgeJoined, EdgeLeft, CreditsWanted,
        CloudReconfigured and Drain. After ClientGone no message about the task comes.
        """


class WorkerEvents(Protocol):
    """The front as its workers see it."""

    def on_message(self, worker: Worker, key: str, reply: bytes, end: TaskEnd | None) -> None:
        """Forward a message to the edge.

        `reply` is an encoded SessionReply with one message about the task `key`; `end` is set
        if it is the last one.
        """

    def on_grant(self, worker: Worker, edge_id: str, credits: int) -> None:
        """Take the number of tasks that an edge may have on this worker."""

    def on_load(self, worker: Worker) -> None:
        """Take note that `worker.load` has changed."""

    def on_up(self, worker: Worker) -> None:
        """Use a worker that is ready; it knows no task and no edge."""

    def on_down(self, worker: Worker, reason: str) -> None:
        """End the tasks of a worker that has died or was stopped; `reason` is for people.

        `worker.up` is False already. The reason does not name the worker, which the front does.
        """
