"""Feeds events to a machine, records them and performs the actions that it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Recorder = Callable[[str, Any, list[Any]], None]
"""Receives the node's name, an event, and the actions that the machine returned."""
Performers = dict[type, Callable[[Any], None]]
"""Type of action -> its performer; actions without one are only recorded."""


class MachineDriver:
    """Drives one machine of the simulator."""

    def __init__(
        self,
        node: str,
        handle: Callable[[Any], list[Any]],
        performers: Performers,
        record: Recorder | None,
    ) -> None:
        self._node, self._handle = node, handle
        self._performers, self._record = performers, record

    def feed(self, event: Any) -> None:
        """Pass the event to the machine and perform the returned actions in order."""
        actions = self._handle(event)
        if self._record is not None:
            self._record(self._node, event, list(actions))
        for action in actions:
            perform = self._performers.get(type(action))
            if perform is not None:
                perform(action)
