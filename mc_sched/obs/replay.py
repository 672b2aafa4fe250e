"""Replay: what a daemon's event log says, asked of the core once more.

The log holds every event of a machine and the actions that each called for. The same machine, built
from the log's `config` record and fed the same events, asks for the same actions; where it does
not, the code has changed, or the log is not whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from mc_sched.core.actions import CloudAction, EdgeAction
from mc_sched.core.cloud_machine import CloudMachine
from mc_sched.core.edge_machine import EdgeMachine
from mc_sched.core.errors import MachineError
from mc_sched.core.events import CloudEvent, EdgeEvent
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.obs.event_log import CLASSES, Record, from_json

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

    @property
    def same(self) -> bool:
        """Whether the machine asks for what it asked for then."""
        return self.recorded == self.replayed


def replay(records: Iterable[Record]) -> Iterator[Step]:
    """Each event of one node's log, in order, through the machine of its `config` record.

    A `config` record starts a fresh machine, so a log that spans restarts of its daemon is fine.
    An event that the machine does not allow is a step with `error`; as in the daemon, the replay
    goes on behind it. Raises ValueError for what is not such a log, or not its beginning.
    """
    machine: Machine | None = None
    node = ""
    for opening, recorded in _turns(records):
        if opening["kind"] == "config":
            machine, node = machine_of(opening), opening["node"]
        elif machine is None:
            raise ValueError("the log has no config record before its first event; give it whole")
        elif opening["node"] != node:
            raise ValueError(f"the log mixes {node} and {opening['node']}; give one node's log")
        else:
            event = _value(opening)
            yield Step(event, recorded, *_asked(machine, event))


def machine_of(config: Record) -> Machine:
    """The machine whose daemon wrote this `config` record; ValueError if it describes none."""
    node, data = config.get("node"), config.get("data", {})
    if not {"settings", "table"} <= data.keys():
        raise ValueError("the config record lacks the machine's settings or table")
    if node == "edge":
        return EdgeMachine(_read(EdgeSettings, data["settings"]), _read(LocalTable, data["table"]))
    if node == "cloud":
        return CloudMachine(
            _read(CloudSettings, data["settings"]), _read(CloudTable, data["table"])
        )
    raise ValueError(f"the config record is of node {node!r}; only edge and cloud have a machine")


def _turns(records: Iterable[Record]) -> Iterator[tuple[Record, tuple[Action, ...]]]:
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
            recorded.append(_value(record))
        elif kind != "note":
            raise ValueError(f"a record of kind {kind!r} does not belong to an event log")
    if opening is not None:
        yield opening, tuple(recorded)


def _asked(machine: Machine, event: Event) -> tuple[tuple[Action, ...], str]:
    """The actions that the event calls for, or why it is not allowed."""
    try:
        return tuple(machine.handle(event)), ""
    except MachineError as error:
        return (), str(error)


def _value(record: Record) -> Any:
    name = record.get("name")
    if name not in CLASSES:
        raise ValueError(f"{name!r} is no event or action that this version knows")
    return from_json(name, record["data"])


def _read(cls: type[Any], data: Any) -> Any:
    return TypeAdapter(cls).validate_python(data)
