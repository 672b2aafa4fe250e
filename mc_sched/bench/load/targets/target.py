"""The interface through which the generator sends tasks."""

from __future__ import annotations

from typing import Protocol

from mc_sched.bench.load.plan import Phase
from mc_sched.bench.load.tally import LoadTally


class Target(Protocol):
    """One server, connected for one phase."""

    async def open(self, phase: Phase, images: list[bytes]) -> None:
        """Connect; returns when tasks can be sent."""

    def send(self, number: int, due_s: float, tally: LoadTally) -> None:
        """Send a task that is due at `due_s` on the loop's clock; its end goes into the tally."""

    async def close(self) -> None:
        """Disconnect; tasks without an end are counted as failed."""
