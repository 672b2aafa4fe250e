"""What the store indexes of a record: its labels, its task, its words.

Labels are the few fields that have few values; every combination that occurs is a stream, as Loki
calls it. Task ids are no label: there is one for every frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import orjson

LEVELS = ("critical", "error", "warning", "info", "debug", "trace", "unknown")
"""From the gravest down; `unknown` is what a line that is no record has."""
LONGEST_LABEL = 64
LATEST_NS = 2**62
"""Year 2116; an id has to fit into 64 bits, with room to be moved up."""


class Labels(NamedTuple):
    """What a line is filed under; "" where it has no such thing."""

    node: str
    level: str
    kind: str
    name: str
    site: str = ""
    outcome: str = ""
    exit: str = ""


@dataclass(frozen=True)
class Indexed:
    """A line, ready for the store."""

    wall_ns: int
    """Since 1970."""
    labels: Labels
    task_id: str
    body: str
    """The line itself: one JSON object."""


def index(line: bytes, now_ns: int) -> Indexed:
    """A line of an event log; whatever else it is, it is kept as text, stamped `now_ns`."""
    try:
        record = orjson.loads(line)
        wall_ns = _wall_ns(record["wall"])
        if not 0 <= wall_ns <= LATEST_NS:
            raise ValueError("a time that no clock has")
        labels = labels_of(record)
        task_id = str(record.get("task_id", ""))
        return Indexed(wall_ns, labels, task_id, line.decode())
    except (ValueError, KeyError, TypeError, AttributeError):
        text = line.decode(errors="replace")
        wall = datetime.fromtimestamp(now_ns / 1e9, timezone.utc).isoformat()
        record = {"wall": wall, "node": "", "level": "unknown", "kind": "text", "name": "text"}
        body = orjson.dumps({**record, "data": {"text": text}}).decode()
        return Indexed(now_ns, labels_of(record), "", body)


def labels_of(record: dict[str, Any]) -> Labels:
    """The labels of a record; an outcome and a score carry theirs inside."""
    data = record.get("data") or {}
    outcome = data.get("outcome") or {} if isinstance(data, dict) else {}
    level = record["level"] if record["level"] in LEVELS else "unknown"
    found = (record["node"], level, record["kind"], record["name"])
    ending = tuple(outcome.get(key) or "" for key in ("site", "kind", "exit"))
    return Labels(*(str(value)[:LONGEST_LABEL] for value in (*found, *ending)))


def words_of(body: str) -> str:
    """What a text search finds a line by: every string in it, and no number."""
    record = orjson.loads(body)
    about = (record["name"], record.get("task_id", ""), record.get("data"))
    return "\n".join(text for part in about for text in _strings(part))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _wall_ns(wall: str) -> int:
    """Nanoseconds since 1970 of a record's `wall`, to the microsecond that it has."""
    return round(datetime.fromisoformat(wall).timestamp() * 1e6) * 1000
