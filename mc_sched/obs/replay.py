"""Replay of a daemon's event log through the core.

The log holds every event of a machine and the actions that followed each. A machine built from the
log's `config` record and fed the same events returns the same actions. If it does not, the code has
changed or the log is incomplete.
"""

from __future__ import annotations

import warnings
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
"""Node -> classes of the settings and the table in its config records."""
LINE = "line"
"""Key under which `numbered` stores a record's line number."""
Event = EdgeEvent | CloudEvent
Action = EdgeAction | CloudAction


class Machine(Protocol):
    """The interface of either machine that a replay needs."""

    def handle(self, event: Any) -> list[Any]:
        """Take one event and return the resulting actions in order."""


@dataclass(frozen=True)
class Step:
    """One event of a log, with the recorded and the replayed actions."""

    event: Event
    recorded: tuple[Action, ...]
    replayed: tuple[Action, ...]
    error: str = ""
    """Set if the machine does not allow this event now; then it returns no actions."""
    line: int = 0
    """Line number of the event in its log, from 1; 0 if the records are not numbered."""
    cut: bool = False
    """True if the log ends before the event's last action, as that of a killed daemon may."""

    @property
    def same(self) -> bool:
        """True if the replayed actions equal the recorded ones, as far as the log goes."""
        return self.cut or self.recorded == self.replayed


def replay(records: Iterable[Record]) -> Iterator[Step]:
    """Feed each event of one node's log, in order, to the machine of its `config` record.

    A cloud agent's log holds the records of several workers, each with a machine of its own. Their
    records may alternate; the steps of each worker come in order.

    A `config` record starts a new machine, so a log may span restarts of its daemon or worker. An
    event that the machine does not allow becomes a step with `error`; as in the daemon, the replay
    continues after it. Warn if a machine's last event lacks its last actions. Raise ValueError if
    the records are not the beginning of one node's log, or if another version wrote them. The
    message has the line number if the records are `numbered`.
    """
    players: dict[int | None, _Player] = {}
    for opening, recorded in turns(records):
        worker = opening.get("worker")
        if worker not in players:
            players[worker] = _Player()
        yield from players[worker].take(opening, recorded)
    for player in players.values():
        yield from player.take(None)


class _Player:
    """Replays the records of one machine, and of those that follow it after a restart."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._node = ""
        self._waiting: tuple[Record, tuple[Action, ...]] | None = None
        """The last record with its actions; whether it is cut shows in the next one."""

    def take(self, opening: Record | None, recorded: tuple[Action, ...] = ()) -> Iterator[Step]:
        """Take the next record with its actions, None for the end; yield the step before it."""
        waiting, self._waiting = self._waiting, None if opening is None else (opening, recorded)
        if waiting is None:
            return
        record, actions = waiting
        if record["kind"] == "config":
            self._machine, self._node = machine_of(record), record["node"]
            return
        yield self._step(record, actions, last=opening is None or opening["kind"] == "config")

    def _step(self, record: Record, recorded: tuple[Action, ...], last: bool) -> Step:
        if self._machine is None:
            raise ValueError(
                "the log has no config record before its first event; pass the complete log"
            )
        if record.get("node") != self._node:
            with _at(record):
                raise ValueError(
                    f"the log mixes {self._node} and {record.get('node')}; pass the log of one node"
                )
        event = value_of(record)
        replayed, error = _handled(self._machine, event)
        cut = last and _lacks_last(recorded, replayed)
        if cut:
            warnings.warn(
                f"{_line(record)}the log ends before the last of the actions that follow "
                f"{type(event).__name__}; the agent was killed or still runs",
                stacklevel=2,
            )
        return Step(event, recorded, replayed, error, record.get(LINE, 0), cut)


def _lacks_last(recorded: tuple[Action, ...], replayed: tuple[Action, ...]) -> bool:
    """True if the recorded actions are the replayed ones without the last one or more."""
    return len(recorded) < len(replayed) and replayed[: len(recorded)] == recorded


def numbered(records: Iterable[Any]) -> Iterator[Record]:
    """Add its line number to each record. Raise ValueError for a line that is not a record."""
    for line, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise ValueError(f"line {line}: not a record of an event log")
        yield {**record, LINE: line}


@contextmanager
def _at(record: Record) -> Iterator[None]:
    """Prefix every ValueError with the record's line number."""
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
    """Build the machine that a `config` record describes. Raise ValueError if it describes none."""
    settings, table = config_of(config)
    if isinstance(settings, EdgeSettings):
        return EdgeMachine(settings, table)
    return CloudMachine(settings, table)


def config_of(config: Record) -> tuple[Any, Any]:
    """Read settings and table from a `config` record. Raise ValueError if it lacks them."""
    with _at(config):
        node, data = config.get("node"), config.get("data", {})
        if data.get("format", FORMAT) != FORMAT:
            raise ValueError(
                f"the log has format {data['format']}, but this version reads format {FORMAT}; "
                "replay it with the version that wrote it"
            )
        if not {"settings", "table"} <= data.keys():
            raise ValueError("the config record lacks the machine's settings or table")
        if node not in CONFIGS:
            raise ValueError(
                f"the config record names node {node!r}; only edge and cloud have a machine"
            )
        settings, table = CONFIGS[node]
        return _read(settings, data["settings"]), _read(table, data["table"])


def turns(records: Iterable[Record]) -> Iterator[tuple[Record, tuple[Action, ...]]]:
    """Yield each event or config record with the actions that follow it; skip notes.

    The actions of a worker follow its own event, with records of other workers in between.
    """
    open_turns: dict[int | None, tuple[Record, list[Action]]] = {}
    for record in records:
        kind, worker = record.get("kind"), record.get("worker")
        if kind in ("event", "config"):
            if worker in open_turns:
                opening, recorded = open_turns[worker]
                yield opening, tuple(recorded)
            open_turns[worker] = (record, [])
        elif kind == "action":
            if worker not in open_turns:
                raise ValueError("the log begins with an action; pass the complete log")
            open_turns[worker][1].append(value_of(record))
        elif kind != "note":
            with _at(record):
                raise ValueError(f"an event log has no records of kind {kind!r}")
    for opening, recorded in open_turns.values():
        yield opening, tuple(recorded)


def _handled(machine: Machine, event: Event) -> tuple[tuple[Action, ...], str]:
    """Return the actions that follow the event, or the reason why it is not allowed."""
    try:
        return tuple(machine.handle(event)), ""
    except MachineError as error:
        return (), str(error)


def value_of(record: Record) -> Any:
    """Build the event or action of a record. Raise ValueError if this version lacks it."""
    name, data = record.get("name"), record.get("data")
    with _at(record):
        if name not in CLASSES or not isinstance(data, dict):
            raise ValueError(f"this version has no event or action {name!r}")
        unknown = data.keys() - {field.name for field in fields(CLASSES[name])}
        if unknown:
            raise ValueError(f"{name} has a field {min(unknown)!r} that this version lacks")
        return from_json(name, data)


def _read(cls: type[Any], data: Any) -> Any:
    return TypeAdapter(cls).validate_python(data)
