"""The parts of a record that the store indexes: labels, task, trace, latency and words.

Labels are the fields that have few different values. Each combination of label values that occurs
is a stream, in Loki's sense. A task id is not a label, as every frame has another one.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from mc_sched.core.value import value

LEVELS = ("critical", "error", "warning", "info", "debug", "trace", "unknown")
"""Levels, the most severe first; `unknown` is for lines that are not records."""
LONGEST_LABEL = 64
BESIDE_DATA = {"task": "task_id", "trace_id": "trace_id"}
"""Fields of a query that are neither labels nor in `data` -> their key in the record."""
_OUTCOME_LABELS = {"site": "site", "outcome": "kind", "exit": "exit"}
"""Labels that come from the record's outcome -> their key in it."""
LATEST_WALL_NS = 2**62
"""Year 2116. An id must fit into 64 bits, with room to be moved up."""


class Labels(NamedTuple):
    """The values of a line's labels; "" if it has none."""

    node: str
    level: str
    kind: str
    name: str
    site: str = ""
    outcome: str = ""
    exit: str = ""
    worker: str = ""
    """Number of the cloud agent's worker whose machine wrote the line."""


@value
class Indexed:
    """A line, ready for the store."""

    wall_ns: int
    """Nanoseconds since 1970."""
    labels: Labels
    task_id: str
    body: str
    """The line itself: one JSON object."""
    fields: tuple[str, ...] = ()
    """Top-level keys of its data."""
    words: str = ""
    """Text for the full-text index."""
    latency_ns: float | None = None
    """Latency of the outcome in it, if any."""
    trace_id: str = ""
    """Trace of its task."""


def index(line: bytes, now_ns: int) -> Indexed:
    """Index a line of an event log. Store any other line as text with time `now_ns`."""
    try:
        record: dict[str, Any] = orjson.loads(line)
        wall_ns = _wall_ns(record["wall"])
        if not 0 <= wall_ns <= LATEST_WALL_NS:
            raise ValueError("timestamp out of range")
        outcome = outcome_of(record)
        labels, latency_ns = _labels_of(record, outcome), _latency_ns(outcome) if outcome else None
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


def _labels_of(record: dict[str, Any], outcome: dict[str, Any]) -> Labels:
    worker = record.get("worker")
    return _labels(
        record["node"], record["level"], record["kind"], record["name"],
        outcome.get("site"), outcome.get("kind"), outcome.get("exit"),
        None if worker is None else str(worker),
    )  # fmt: skip


def _latency_ns(outcome: dict[str, Any]) -> float | None:
    found = outcome.get("latency_ns")
    return found if isinstance(found, int | float) and abs(found) <= LATEST_WALL_NS else None


def outcome_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome in a record's data; empty if it has none."""
    data = record.get("data")
    outcome = data.get("outcome") if isinstance(data, dict) else None
    return outcome if isinstance(outcome, dict) else {}


@lru_cache(1024)
def _labels(node: object, level: object, *others: object) -> Labels:
    """Build labels; cached, because the same few combinations occur again and again."""
    known = level if level in LEVELS else "unknown"
    return Labels(*(str(value or "")[:LONGEST_LABEL] for value in (node, known, *others)))


def words_of(body: str) -> str:
    """Return the text by which a search finds a line: name, task and all strings in its data.

    It depends on the line alone, because deleting a line from the index needs the same text again.
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
    """Convert a record's `wall` to nanoseconds since 1970; it is exact to the microsecond."""
    return round(datetime.fromisoformat(wall).timestamp() * 1e6) * 1000


def field_of(record: dict[str, Any], field: str) -> str | None:
    """Return a field, named as in a query, as text; None if the record lacks it."""
    if field in BESIDE_DATA:
        return record.get(BESIDE_DATA[field])
    if field in _OUTCOME_LABELS:
        return _as_text(outcome_of(record).get(_OUTCOME_LABELS[field]))
    value: Any = record if field in Labels._fields else record.get("data")
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return _as_text(value)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
