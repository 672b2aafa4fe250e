"""The edge's own record of how offloads ended."""

from __future__ import annotations

from mc_sched.core.policy import NEVER_LATE


class CloudRecord:
    """Record of whether the last offload was in time, and of the tasks since a late one.

    No forecast contains the tasks that other edges are about to send, so a forecast can be wrong
    for all edges at once. A policy that offloads without a fallback looks at this record as well.
    """

    def __init__(self) -> None:
        self.in_time = False
        """True if the last offload that ended was in time."""
        self.tasks_since_late = NEVER_LATE

    def task_came(self) -> None:
        """Count a submitted task, whatever its site will be."""
        self.tasks_since_late = min(NEVER_LATE, self.tasks_since_late + 1)

    def ended(self, in_time: bool) -> None:
        """Record the end of an offload."""
        self.in_time = in_time
        if not in_time:
            self.tasks_since_late = 0
