"""Replay: what a daemon's event log says, asked of the core once more.

The log holds every event of a machine and the actions that each called for. The same machine, built
from the log's `config` record and fed the same events, asks for the same actions; where it does
not, the code has changed, or the log is not whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from mc_sched.core.actions import CloudAction, EdgeAction
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.errors import MachineError
from mc_sched.core.events import CloudEvent, EdgeEvent
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.obs.log.event_log import CLASSES, FORMAT, Record, from_json

CONFIGS: dict[Any, tuple[type[Any], type[Any]]] = {
    "edge": (EdgeSettings, LocalTable),
    "cloud": (CloudSettings, CloudTable),
}
"""Per node, what its config records hold: settings and table."""
LINE = "line"
"""Key under which `numbered` puts a record's line."""
Event = EdgeEvent | CloudEvent
Action = EdgeAction | CloudAction


class Machine(Protocol):
    """Either machine, as a replay sees it."""

    def handle(self, event: Any) -> list[Any]:
        """Take one event, return the actions it calls for, in order."""


@dataclass(frozen=True)
class Step:
    """One event of a log, with the actions it called for then and now."""

    event: Event
    recorded: tuple[Action, ...]
    replayed: tuple[Action, ...]
    error: str = ""
    """Set when the machine does not allow this event now; then it asks for nothing."""
    line: int = 0
    """Of the event in its log, from 1; 0 if the records are not numbered."""

    @property
    def same(self) -> bool:
        """Whether the machine asks for what it asked for then."""
        return self.recorded == self.replayed


def replay(records: Iterable[Record]) -> Iterator[Step]:
    """Each event of one node's log, in order, through the machine of its `config` record.

    A `config` record starts a fresh machine, so a log that spans restarts of its daemon is fine.
    An event that the machine does not allow is a step with `error`; as in the daemon, the replay
    goes on behind it. Raises ValueError for what is not such a log, not its beginning, or of
    another version; with the line, where the records are `numbered`.
    """
    machine: Machine | None = None
    node = ""
    for opening, recorded in turns(records):
        if opening["kind"] == "config":
            machine, node = machine_of(opening), opening["node"]
        elif machine is None:
            raise ValueError("the log has no config record before its first event; give it whole")
        elif opening.get("node") != node:
            with _at(opening):
                raise ValueError(
                    f"the log mixes {node} and {opening.get('node')}; give one node's log"
                )
        else:
            event = value_of(opening)
            replayed, error = _asked(machine, event)
            yield Step(event, recorded, replayed, error, opening.get(LINE, 0))


def numbered(records: Iterable[Any]) -> Iterator[Record]:
    """The records with the number of their line. ValueError for what is no record."""
    for line, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise ValueError(f"line {line}: is no record of an event log")
        yield {**record, LINE: line}


@contextmanager
def _at(record: Record) -> Iterator[None]:
    """Name the record's line in whatever is wrong with it."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"{_line(record)}field {field}: {first['msg'].lower()}") from None
    except ValueError as error:
        raise ValueError(f"{_line(record)}{error}") from None


def _line(record: Record) -> str:
    return f"line {record[LINE]}: " if LINE in record else ""


def machine_of(config: Record) -> Machine:
    """The machine whose daemon wrote this `config` record; ValueError if it describes none."""
    settings, table = config_of(config)
    if isinstance(settings, EdgeSettings):
        return EdgeMachine(settings, table)
    return CloudMachine(settings, table)


def config_of(config: Record) -> tuple[Any, Any]:
    """Settings and table in a `config` record, edge's or cloud's; ValueError if it has none."""
    with _at(config):
        node, data = config.get("node"), config.get("data", {})
        if data.get("format", FORMAT) != FORMAT:
            raise ValueError(
                f"the log has format {data['format']}, this version reads {FORMAT}; replay it with "
                "the version that wrote it"
            )
        if not {"settings", "table"} <= data.keys():
            raise ValueError("the config record lacks the machine's settings or table")
        if node not in CONFIGS:
            raise ValueError(
                f"the config record is of node {node!r}; only edge and cloud have a machine"
            )
        settings, table = CONFIGS[node]
        return _read(settings, data["settings"]), _read(table, data["table"])


def turns(records: Iterable[Record]) -> Iterator[tuple[Record, tuple[Action, ...]]]:
    """Each event or config record, with the actions that follow it; notes are left out."""
    opening: Record | None = None
    recorded: list[Action] = []
    for record in records:
        kind = record.get("kind")
        if kind in ("event", "config"):
            if opening is not None:
                yield opening, tuple(recorded)
            opening, recorded = record, []
        elif kind == "action":
            if opening is None:
                raise ValueError("the log begins with an action; give it whole")
            recorded.append(value_of(record))
        elif kind != "note":
            with _at(record):
                raise ValueError(f"a record of kind {kind!r} does not belong to an event log")
    if opening is not None:
        yield opening, tuple(recorded)


def _asked(machine: Machine, event: Event) -> tuple[tuple[Action, ...], str]:
    """The actions that the event calls for, or why it is not allowed."""
    try:
        return tuple(machine.handle(event)), ""
    except MachineError as error:
        return (), str(error)


def value_of(record: Record) -> Any:
    """The event or action that a record holds; ValueError where this version knows none such."""
    name, data = record.get("name"), record.get("data")
    with _at(record):
        if name not in CLASSES or not isinstance(data, dict):
            raise ValueError(f"{name!r} is no event or action that this version knows")
        unknown = data.keys() - {field.name for field in fields(CLASSES[name])}
        if unknown:
            raise ValueError(f"{name} has a field {min(unknown)!r} that this version does not know")
        return from_json(name, data)


def _read(cls: type[Any], data: Any) -> Any:
    return TypeAdapter(cls).validate_python(data)
