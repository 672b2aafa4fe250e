"""A bounded memory of task ids."""

from __future__ import annotations

from collections import OrderedDict


class RecentIds:
    """The ids that were added last, each with its moment; at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._added_ns: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._added_ns

    def add(self, task_id: str, now_ns: int) -> None:
        """Remember an id; forget the oldest one if there are too many."""
        self._added_ns[task_id] = now_ns
        self._added_ns.move_to_end(task_id)
        if len(self._added_ns) > self._most:
            self._added_ns.popitem(last=False)

    def take(self, task_id: str) -> int | None:
        """Forget an id and return the moment when it was added; None if it is not known."""
        return self._added_ns.pop(task_id, None)
