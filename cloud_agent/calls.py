"""State of an Infer call in the driver, and the error that refuses a call."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import grpc

from mc_sched.core import actions as do
from mc_sched.core.task import ExitRule
from mc_sched.obs.log.moments import Moment

Message = do.Accept | do.Refuse | do.Reject | do.Progress | do.Reply | do.Stop
"""Actions that send a message to the edge."""
LAST = (do.Refuse, do.Reject, do.Reply, do.Stop)
"""Messages that end a call."""


class CallError(Exception):
    """A call cannot be served: a gRPC status, and a sentence for the caller."""

    def __init__(self, code: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """Limits of the calls; a reload of the configuration may change them."""

    exit_rule: ExitRule = ExitRule.ADAPTIVE
    """Exit rule of a task that names none."""
    max_payload_bytes: int = 8 * 2**20
    max_calls: int = 256
    tasks_per_client: int = 256
    upload_s: float = 10.0
    """Longest time for a payload's upload, whatever its task's budget is."""


@dataclass
class Call:
    """One Infer call: messages that wait to be sent, and whether its task was given up."""

    owner: str = ""
    """Name on the caller's certificate; empty without one."""
    trace_id: str = ""
    """Trace that its task belongs to; empty for none."""
    opened_ns: int = field(default_factory=time.monotonic_ns)
    mailbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    given_up: bool = False
    receiving: asyncio.Future[bytes] | None = None
    """The upload, while it runs."""
    received_ns: int = 0
    """Moment when the payload's last byte arrived."""
    accepted_ns: int = 0
    """Moment when the acceptance was written."""
    story: list[Moment] = field(default_factory=list)
    """Events of its task on this node; sent to the edge with the last message."""
