"""The end of a task on its worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskEnd:
    """The end of a task on its worker, for the front's log."""

    message: str
    """Name of the last message: `result`, `refused`, `rejected` or `stopped`."""
    detail: str
    """The exit that answered, or the reason."""
    failed: bool = False
    """True because of a fault of this agent."""
