"""What both drivers of the simulator do with an event: feed, record, perform what it calls for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Recorder = Callable[[str, Any, list[Any]], None]
"""Sees each node's events with the actions that they called for."""
Performers = dict[type, Callable[[Any], None]]
"""By kind of action; one that is missing is only for the log."""


class MachineDriver:
    """One machine under the simulator."""

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
        """Have the machine handle the event, and do what it calls for, in order."""
        actions = self._handle(event)
        if self._record is not None:
            self._record(self._node, event, list(actions))
        for action in actions:
            perform = self._performers.get(type(action))
            if perform is not None:
                perform(action)
