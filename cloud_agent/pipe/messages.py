"""The messages between the front and a worker, and their frames.

The worker trusts the front, which started it. The front trusts no worker: a frame that does not
hold what its kind promises raises BadFrame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cloud_agent.pipe.frames import BadFrame, Frame, frame_start
from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import events as ev
from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable
from mc_sched.core.value import value
from mc_sched.obs.log.event_log import from_json

T = TypeVar("T")
LAST_MESSAGES = ("result", "refused", "rejected", "stopped")
"""Names of the messages that end a task."""
LONGEST_TEXT = 500
"""Characters of a worker's reason that the front passes on."""


class Kind(IntEnum):
    """Kind of a frame."""

    START = 1
    """Front: what to run; the first frame."""
    TASK = 2
    """Front: a task with its payload."""
    EVENT = 3
    """Front: another event of the machine."""
    PING = 4
    """Front: ask for a PONG."""
    STOP = 5
    """Front: write the log and exit."""
    READY = 33
    """Worker: it serves."""
    FAILED = 34
    """Worker: it cannot start; a sentence for people."""
    REPORT = 35
    """Worker: messages for the edges, credits, load."""
    LINES = 36
    """Worker: lines of its event log."""
    PONG = 37
    """Worker: its threads' state, and its metrics if they were asked for."""


# --- from the front -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """The configuration that a worker runs."""

    index: int
    device: str
    bundle: str
    profile: str | None
    threads: int
    precision: str
    settings: CloudSettings
    profiles: list[dict[str, Any]]
    """Profiles that workers of this agent have used. A worker that starts again under load must
    not measure."""
    logged: bool
    """True if the front writes an event log."""


def start_frame(start: Start) -> bytes:
    """Return the first frame."""
    return frame_start(Kind.START, start)


def read_start(frame: Frame) -> Start:
    """Return the message in a first frame."""
    return _read(Start, frame)


def task_frame(number: int, event: ev.Received, trace_id: str, payload_bytes: int) -> bytes:
    """Return the frame of a task, up to its payload. The worker's messages name the `number`."""
    return frame_start(Kind.TASK, (number, trace_id, event), payload_bytes)


def read_task(frame: Frame) -> tuple[int, str, ev.Received]:
    """Return number, trace and event of a task; the frame's body is its payload."""
    number, trace_id, event = frame.head
    return number, trace_id, from_json("Received", event)


def event_frame(event: ev.CloudEvent) -> bytes:
    """Return the frame of an event without a payload."""
    return frame_start(Kind.EVENT, (type(event).__name__, event))


def read_event(frame: Frame) -> ev.CloudEvent:
    """Return the event in a frame."""
    name, data = frame.head
    event: ev.CloudEvent = from_json(name, data)
    return event


# --- from a worker ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """A worker that serves."""

    table: CloudTable
    bundle: str
    """Name of the bundle."""
    kind: str
    """`cpu` or `cuda`."""
    profile: dict[str, Any]
    """The profile in use."""


@dataclass(frozen=True)
class Failed:
    """A worker that cannot start."""

    reason: str


@value
class TaskMessage:
    """A message about a task."""

    number: int
    reply: bytes
    """An encoded SessionReply with this message alone."""
    end: TaskEnd | None = None
    """Set if it is the last one."""


@value
class Report:
    """Output of a worker's machine since the last report."""

    load: WorkerLoad
    messages: Sequence[TaskMessage] = ()
    grants: Sequence[tuple[str, int]] = ()
    """(edge, credits)."""


def report_frame(report: Report) -> bytes:
    """Return the frame of a report."""
    load, body = report.load, b"".join(message.reply for message in report.messages)
    numbers = (load.reported_ns, load.queue_ns, load.slowdown, load.tasks, load.received)
    messages = [
        (m.number, len(m.reply), m.end and (m.end.message, m.end.detail, m.end.failed))
        for m in report.messages
    ]
    return frame_start(Kind.REPORT, (numbers, messages, report.grants), len(body)) + body


def read_report(frame: Frame) -> Report:
    """Return the report in a frame. Raises BadFrame."""
    try:
        (reported_ns, queue_ns, slowdown, tasks, received), described, granted = frame.head
        load = WorkerLoad(
            int(reported_ns), int(queue_ns), float(slowdown), int(tasks), int(received)
        )
        messages, start = [], 0
        for number, length, end in described:
            if not 0 <= length <= len(frame.body) - start:
                raise ValueError(f"a message of {length} bytes")
            reply = frame.body[start : start + length]
            messages.append(TaskMessage(int(number), reply, end and _task_end(*end)))
            start += length
        grants = [(str(edge_id), int(credits)) for edge_id, credits in granted]
    except (TypeError, ValueError, OverflowError) as error:
        raise BadFrame(f"a report that is not valid: {error}") from None
    return Report(load, messages, grants)


def _task_end(message: str, detail: str, failed: bool) -> TaskEnd:
    if message not in LAST_MESSAGES:
        raise ValueError("a last message of an unknown kind")
    return TaskEnd(message, one_line(str(detail)), bool(failed))


def one_line(text: str) -> str:
    """Return a worker's text for people, as one line that is not too long."""
    return " ".join(text[:LONGEST_TEXT].split())


def lines_frame(lines: Sequence[bytes], dropped: int) -> bytes:
    """Return the frame of log lines; `dropped` counts those that were lost since the start."""
    body = b"\n".join(lines)
    return frame_start(Kind.LINES, dropped, len(body)) + body


def read_lines(frame: Frame) -> tuple[list[bytes], int]:
    """Return log lines and the number of lost ones. Raises BadFrame."""
    if not isinstance(frame.head, int):
        raise BadFrame("log lines without a number of lost ones")
    return frame.body.split(b"\n") if frame.body else [], frame.head


@dataclass(frozen=True)
class WorkerMetrics:
    """Figures of a worker's machine, for the metrics."""

    reliability: dict[str, Reliability] = field(default_factory=dict)
    took: dict[str, Histogram] = field(default_factory=dict)


@dataclass(frozen=True)
class Pong:
    """Answer to a ping."""

    stuck: str = ""
    """Name of a thread that is stuck or has died; empty if all work."""
    metrics: WorkerMetrics | None = None


def ping_frame(metrics: bool = False) -> bytes:
    """Return a ping that asks for the `metrics` too."""
    return frame_start(Kind.PING, metrics)


def message_frame(kind: Kind, message: Any) -> bytes:
    """Return the frame of a dataclass or plain value."""
    return frame_start(kind, message)


def read_ready(frame: Frame) -> Ready:
    """Return the message in a frame. Raises BadFrame."""
    return _read(Ready, frame)


def read_failed(frame: Frame) -> Failed:
    """Return the message in a frame. Raises BadFrame."""
    return _read(Failed, frame)


def read_pong(frame: Frame) -> Pong:
    """Return the message in a frame. Raises BadFrame."""
    return _read(Pong, frame)


def _read(cls: type[T], frame: Frame) -> T:
    try:
        message: T = _ADAPTERS[cls].validate_python(frame.head)
    except (ValidationError, RecursionError) as error:
        raise BadFrame(f"{cls.__name__.lower()}: {error}".splitlines()[0]) from None
    return message


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {
    cls: TypeAdapter(cls) for cls in (Start, Ready, Failed, Pong)
}
