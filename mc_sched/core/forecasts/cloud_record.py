"""The edge's own record of how offloads ended."""

from __future__ import annotations

from mc_sched.core.policy import NEVER_LATE

FORGIVEN_NS = 10 * 10**9
"""Time after which a late offload no longer counts, however few tasks came since then."""


class CloudRecord:
    """Record of whether the last offload was in time, and of the tasks since a late one.

    No forecast contains the tasks that other edges are about to send, so a forecast can be wrong
    for all edges at once. A policy that offloads without a fallback looks at this record as well.
    """

    def __init__(self) -> None:
        self.in_time = False
        """True if the last offload that ended was in time."""
        self._tasks_since_late, self._late_ns = NEVER_LATE, 0
        """Tasks since the last late offload, and its moment."""

    def task_came(self) -> None:
        """Count a submitted task, whatever its site will be."""
        self._tasks_since_late = min(NEVER_LATE, self._tasks_since_late + 1)

    def tasks_since_late(self, now_ns: int) -> int:
        """Return the number of tasks since the last late offload, as far as that still counts."""
        is_forgiven = now_ns - self._late_ns >= FORGIVEN_NS
        return NEVER_LATE if is_forgiven else self._tasks_since_late

    def ended(self, now_ns: int, in_time: bool) -> None:
        """Record the end of an offload."""
        self.in_time = in_time
        if not in_time:
            self._tasks_since_late, self._late_ns = 0, now_ns
