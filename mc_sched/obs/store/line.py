"""What the store indexes of a record: its labels, its task, its words.

Labels are the few fields that have few values; every combination that occurs is a stream, as Loki
calls it. Task ids are no label: there is one for every frame.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from mc_sched.core.value import value

LEVELS = ("critical", "error", "warning", "info", "debug", "trace", "unknown")
"""From the gravest down; `unknown` is what a line that is no record has."""
LONGEST_LABEL = 64
BESIDE_DATA = {"task": "task_id", "trace_id": "trace_id"}
"""Fields that are neither labels nor in a line's data, and where they stand in it."""
_IN_THE_ENDING = {"site": "site", "outcome": "kind", "exit": "exit"}
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


@value
class Indexed:
    """A line, ready for the store."""

    wall_ns: int
    """Since 1970."""
    labels: Labels
    task_id: str
    body: str
    """The line itself: one JSON object."""
    fields: tuple[str, ...] = ()
    """What its data has at the top."""
    words: str = ""
    latency_ns: float | None = None
    """Of an outcome."""
    trace_id: str = ""
    """That its task belongs to."""


def index(line: bytes, now_ns: int) -> Indexed:
    """A line of an event log; whatever else it is, it is kept as text, stamped `now_ns`."""
    try:
        record: dict[str, Any] = orjson.loads(line)
        wall_ns = _wall_ns(record["wall"])
        if not 0 <= wall_ns <= LATEST_NS:
            raise ValueError("a time that no clock has")
        ending = ending_of(record)
        labels, latency_ns = _labels_of(record, ending), _latency_ns(ending) if ending else None
        task_id = str(record.get("task_id", ""))
        data = record.get("data")
        fields = tuple(data) if isinstance(data, dict) else ()
        words, trace_id = _words(record), str(record.get("trace_id", ""))
        return Indexed(wall_ns, labels, task_id, line.decode(), fields, words, latency_ns, trace_id)
    except (ValueError, KeyError, TypeError, AttributeError):
        text = line.decode(errors="replace")
        wall = datetime.fromtimestamp(now_ns / 1e9, timezone.utc).isoformat()
        record = {"wall": wall, "node": "", "level": "unknown", "kind": "text", "name": "text"}
        record["data"] = {"text": text}
        body = orjson.dumps(record).decode()
        return Indexed(now_ns, _labels_of(record, {}), "", body, ("text",), _words(record))


def _labels_of(record: dict[str, Any], ending: dict[str, Any]) -> Labels:
    return _labels(
        record["node"], record["level"], record["kind"], record["name"],
        ending.get("site"), ending.get("kind"), ending.get("exit"),
    )  # fmt: skip


def _latency_ns(ending: dict[str, Any]) -> float | None:
    found = ending.get("latency_ns")
    return found if isinstance(found, int | float) and abs(found) <= LATEST_NS else None


def ending_of(record: dict[str, Any]) -> dict[str, Any]:
    """The outcome that a record tells; empty where it tells none."""
    data = record.get("data")
    outcome = data.get("outcome") if isinstance(data, dict) else None
    return outcome if isinstance(outcome, dict) else {}


@lru_cache(1024)
def _labels(node: object, level: object, *others: object) -> Labels:
    """Few combinations come again and again."""
    known = level if level in LEVELS else "unknown"
    return Labels(*(str(value or "")[:LONGEST_LABEL] for value in (node, known, *others)))


def words_of(body: str) -> str:
    """What a text search finds a line by: name, task and every string in its data, no number.

    The same line has the same words always: to forget it takes them once more.
    """
    return _words(orjson.loads(body))


def _words(record: dict[str, Any]) -> str:
    words = [str(record["name"]), str(record.get("task_id", ""))]
    _add_strings(record.get("data"), words)
    return "\n".join(words)


def _add_strings(value: Any, words: list[str]) -> None:
    if isinstance(value, str):
        words.append(value)
    elif isinstance(value, dict):
        for part in value.values():
            if isinstance(part, str):
                words.append(part)
            elif isinstance(part, (dict, list)):
                _add_strings(part, words)
    elif isinstance(value, list) and value and isinstance(value[0], (str, dict)):
        for part in value:
            _add_strings(part, words)


def _wall_ns(wall: str) -> int:
    """Nanoseconds since 1970 of a record's `wall`, to the microsecond that it has."""
    return round(datetime.fromisoformat(wall).timestamp() * 1e6) * 1000


def field_of(record: dict[str, Any], field: str) -> str | None:
    """A field as a query names it, shown as a line shows it; None where the record has none."""
    if field in BESIDE_DATA:
        return record.get(BESIDE_DATA[field])
    if field in _IN_THE_ENDING:
        return _shown(ending_of(record).get(_IN_THE_ENDING[field]))
    value: Any = record if field in Labels._fields else record.get("data")
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return _shown(value)


def _shown(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
