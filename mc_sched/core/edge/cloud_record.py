"""Whether the cloud answers in time what is left to it: the edge's own experience."""

from __future__ import annotations

NEVER = 1_000_000_000
"""Tasks since something that has not happened."""


class CloudRecord:
    """Its last task's end, and how many tasks have come since one that it had was late.

    What other edges ask of the cloud is in no forecast here. An edge that gives a task away for
    good can be wrong by it, and then so can all edges at once; only what happened can tell.
    """

    def __init__(self) -> None:
        self.in_time = False
        """Whether the last task that ended there, or on its way there, was in time."""
        self.tasks_since_late = NEVER

    def task_came(self) -> None:
        """Another one, wherever it will go."""
        self.tasks_since_late = min(NEVER, self.tasks_since_late + 1)

    def ended(self, in_time: bool) -> None:
        """A task ended on the cloud, or on its way there."""
        self.in_time = in_time
        if not in_time:
            self.tasks_since_late = 0
