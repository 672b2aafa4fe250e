"""The event log: every event and action of a daemon as a line of JSON.

Writing an entry puts it on a bounded queue, which takes about a microsecond. A thread encodes and
writes the queued entries a few times per second, to a file, to the log store, or to both. It sleeps
between the writes, so that writing an entry wakes nobody, and it lets other threads run every few
lines. When the queue is full, lines are dropped and counted; a task never waits for its log. The
first record of a machine has kind `config` and holds what is needed to build the same machine
again, so that the log can be replayed through the core.

A cloud agent has a machine in each worker process. A worker encodes its own lines, with its number
in the field `worker`, and the front process adds them to the agent's log.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from pydantic import TypeAdapter

from mc_sched.core.actions import CloudAction, EdgeAction
from mc_sched.core.events import CloudEvent, EdgeEvent
from mc_sched.obs.log.background import yielding
from mc_sched.obs.log.levels import level_of
from mc_sched.obs.log.log_file import LogFile, Sink
from mc_sched.obs.log.trace import TaskTraces

FORMAT = 3
"""Format of the log, written in its config records. Another format means another version."""
Record = dict[str, Any]
Kind = Literal["event", "action", "config", "note"]
Entry = tuple[int, int, Kind, Any, str] | bytes
"""The node's clock, the wall clock, kind, value, and level ("" for the value's own); or a line that
another process encoded."""
MAX_QUEUE = 10_000
"""Lines that may wait for the disk: several seconds' worth at 200 tasks per second."""
GATHER_S = 0.05
"""Pause between two writes to a file, so that one write takes many lines."""

STORE_GATHER_S = 0.2
"""Pause between two writes if there is a store, as each transaction costs time."""
CLASSES: dict[str, type] = {
    cls.__name__: cls
    for union in (EdgeEvent, EdgeAction, CloudEvent, CloudAction)
    for cls in get_args(union)
}
"""Class of every event and action by name."""


def to_json(value: Any) -> dict[str, Any]:
    """Return the fields of an event or action as JSON values."""
    fields: dict[str, Any] = orjson.loads(orjson.dumps(value))
    return fields


def from_json(name: str, data: dict[str, Any]) -> Any:
    """Build the event or action called `name`. Raise KeyError if there is none by that name,
    ValueError if the data does not fit it.
    """
    return _adapter(name).validate_python(data)


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(CLASSES[name])


class EventLog:
    """Writes records to a file, to the `store` and to subscribers. Thread-safe."""

    def __init__(
        self,
        path: str | Path | None,
        node: str,
        max_queue: int = MAX_QUEUE,
        store: Sink | None = None,
        worker: int | None = None,
    ) -> None:
        """`worker` is the number of the process whose machine this is, if the node has several."""
        self.dropped = 0
        self._about = {"node": node} if worker is None else {"node": node, "worker": worker}
        self._max_queue = max_queue
        self._watchers: list[Callable[[Record], None]] = []
        self._entries: deque[Entry] = deque()
        self._dropping = threading.Lock()
        self._closing = threading.Event()
        self._traces = TaskTraces()
        self._thread: threading.Thread | None = None
        sinks: list[Sink] = [] if path is None else [LogFile(path)]
        if store is not None:
            sinks.append(store)
        if sinks:
            self._thread = threading.Thread(
                target=self._write_all,
                args=(sinks, GATHER_S if store is None else STORE_GATHER_S),
                name="event-log",
                daemon=True,
            )
            self._thread.start()

    def write(self, now_ns: int, kind: Kind, value: Any, level: str = "") -> None:
        """Log an event, action or config (a dataclass), or a note (a mapping). Never blocks.

        `value` must not change afterwards, as another thread encodes it later. Without `level`,
        `level_of` decides it.
        """
        if self._thread is None and not self._watchers:
            return
        entry = (now_ns, time.time_ns(), kind, value, level)
        if self._watchers:
            line = self._encoded(entry)
            for watcher in tuple(self._watchers):
                watcher(orjson.loads(line))
        if self._thread is None:
            return
        if len(self._entries) >= self._max_queue:
            self._drop(1)
            return
        self._entries.append(entry)

    @property
    def has_readers(self) -> bool:
        """True if lines go anywhere."""
        return self._thread is not None or bool(self._watchers)

    def add_lines(self, lines: Sequence[bytes], dropped: int = 0) -> None:
        """Log lines that another process encoded, and count those that it had to drop."""
        for watcher in tuple(self._watchers):
            for line in lines:
                watcher(orjson.loads(line))
        room = max(0, self._max_queue - len(self._entries)) if self._thread is not None else 0
        self._entries.extend(lines[:room])
        if self._thread is not None and (lost := dropped + max(0, len(lines) - room)):
            self._drop(lost)

    def _drop(self, lines: int) -> None:
        """Count lines that are not written. Thread-safe."""
        with self._dropping:
            self.dropped += lines

    def _encoded(self, entry: Entry) -> bytes:
        if isinstance(entry, bytes):
            return entry
        now_ns, wall_ns, kind, value, level = entry
        record: Record = {
            "t_ns": now_ns,
            "wall": _wall(wall_ns),
            **self._about,
            "level": level or level_of(value),
            "kind": kind,
            "name": type(value).__name__ if dataclasses.is_dataclass(value) else kind,
        }
        task_id = _task_id(value)
        if task_id:
            record["task_id"] = task_id
            trace_id = self._traces.of(task_id)
            if trace_id:
                record["trace_id"] = trace_id
        record["data"] = value
        return orjson.dumps(record)

    def note_trace(self, task_id: str, trace_id: str) -> None:
        """Add the trace id to all later lines about this task. Thread-safe."""
        if trace_id:
            self._traces.note(task_id, trace_id)

    def subscribe(self, watcher: Callable[[Record], None]) -> Callable[[], None]:
        """Call `watcher` with each record from now on; call the returned function to stop."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def close(self) -> None:
        """Write what is queued and close the file."""
        if self._thread is not None:
            self._closing.set()
            self._thread.join()
            self._thread = None

    def _write_all(self, sinks: Sequence[Sink], gather_s: float) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(gather_s)
            lines = self._waiting_lines()
            written = [sink.append(lines) for sink in sinks if lines]
            if not all(written):
                self._drop(len(lines))
        for sink in sinks:
            sink.close()

    def _waiting_lines(self) -> list[bytes]:
        lines = []
        for _ in yielding(range(len(self._entries))):
            try:
                lines.append(self._encoded(self._entries.popleft()))
            except (TypeError, ValueError):  # a string that is not valid UTF-8
                self._drop(1)
        return lines


def _wall(wall_ns: int) -> str:
    """Format the wall clock as ISO 8601 in UTC, to the microsecond."""
    return f"{_to_the_second(wall_ns // 10**9)}.{wall_ns // 1000 % 10**6:06d}+00:00"


@lru_cache(4)
def _to_the_second(wall_s: int) -> str:
    return datetime.fromtimestamp(wall_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def _task_id(value: Any) -> str:
    """Return the id of the task that an event, action or note is about.

    Return "" if it is about no task or about several.
    """
    if isinstance(value, dict):
        return str(value.get("task_id", ""))
    about = (
        getattr(value, "task", None)
        or getattr(value, "again", None)
        or getattr(value, "outcome", None)
        or value
    )
    task_ids: tuple[str, ...] = getattr(about, "task_ids", ())
    return task_ids[0] if len(task_ids) == 1 else getattr(about, "task_id", "")


def read_log(path: str | Path) -> Iterator[Record]:
    """Yield the records of a log. Skip an incomplete last line with a warning.

    Raise ValueError with the line's number for any other line that is not JSON.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if not line.endswith(b"\n"):
                    warnings.warn(f"{path}: skipped line {number}: incomplete", stacklevel=2)
                    return
                raise ValueError(f"{path}: line {number} is not JSON: {error}") from None
