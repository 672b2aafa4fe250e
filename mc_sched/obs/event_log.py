"""The event log: every event and action of a daemon as a line of JSON.

A bounded queue and one writing thread stand between a task and the disk: under pressure lines are
dropped and counted, a task never waits. The first record of a log, kind `config`, holds what is
needed to build the same machine again, so that a log can be replayed through the core.
"""

from __future__ import annotations

import dataclasses
import json
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from mc_sched.core.actions import CloudAction, EdgeAction
from mc_sched.core.events import CloudEvent, EdgeEvent

Record = dict[str, Any]
MAX_QUEUE = 10_000
"""Records that may wait for the disk; at 200 tasks a second this is several seconds' worth."""

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for union in (EdgeEvent, EdgeAction, CloudEvent, CloudAction)
    for cls in get_args(union)
}
"""Every event and action by name."""


def to_json(value: Any) -> dict[str, Any]:
    """The fields of an event or action, as JSON knows them."""
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def from_json(name: str, data: dict[str, Any]) -> Any:
    """The event or action called `name`; KeyError for an unknown name, ValueError for bad data."""
    return _adapter(name).validate_python(data)


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(CLASSES[name])


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, int, float)):
        return value
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value]


class EventLog:
    """Writes records to `path` (None: nowhere) and to those who watch."""

    def __init__(self, path: str | Path | None, node: str, max_queue: int = MAX_QUEUE) -> None:
        self.dropped = 0
        self._node = node
        self._watchers: list[Callable[[Record], None]] = []
        self._queue: queue.Queue[Record | None] = queue.Queue(max_queue)
        self._thread: threading.Thread | None = None
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by the thread
            self._thread = threading.Thread(target=self._write_all, args=(file,), daemon=True)
            self._thread.start()

    def write(self, now_ns: int, kind: str, value: Any, level: str = "info") -> None:
        """Log an event, action or config (a dataclass), or a note (a mapping). Never blocks."""
        if self._thread is None and not self._watchers:
            return
        record: Record = {
            "t_ns": now_ns,
            "wall": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            "node": self._node,
            "level": level,
            "kind": kind,
            "name": type(value).__name__ if dataclasses.is_dataclass(value) else kind,
            "data": value,
        }
        for watcher in tuple(self._watchers):
            watcher(_finished(dict(record)))
        if self._thread is not None:
            try:
                self._queue.put_nowait(record)
            except queue.Full:
                self.dropped += 1

    def subscribe(self, watcher: Callable[[Record], None]) -> Callable[[], None]:
        """Call `watcher` with each record from now on; returns how to stop that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def close(self) -> None:
        """Write what is queued and close the file."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _write_all(self, file: Any) -> None:
        with file:
            while (record := self._queue.get()) is not None:
                file.write(json.dumps(_finished(record), separators=(",", ":")) + "\n")
                if self._queue.empty():
                    file.flush()


def _finished(record: Record) -> Record:
    """The record with its value as JSON and the task's id where people look for it."""
    data = _plain(record["data"])
    inner = data.get("task") or data.get("again") or data.get("outcome") or data
    task_id = data.get("task_id") or (inner.get("task_id") if isinstance(inner, dict) else None)
    if task_id:
        record["task_id"] = task_id
    record["data"] = data
    return record


def read_log(path: str | Path) -> Iterator[Record]:
    """The records of a log. A last line that was cut is skipped with a warning.

    Raises ValueError with the line's number for any other line that is not JSON.
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines) and not line.endswith("\n"):
                warnings.warn(f"{path}: line {number} is cut and was skipped", stacklevel=2)
                return
            raise ValueError(f"{path}: line {number} is not JSON: {error}") from None
