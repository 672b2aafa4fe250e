"""What every agent's collector does: look at the agent when somebody scrapes, and show it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mc_sched.obs.metrics import families as of


class AgentState(Protocol):
    """One look at an agent, as far as all agents are alike."""

    @property
    def log_dropped(self) -> int:
        """Lines of its log that were not written."""


StateT = TypeVar("StateT", bound=AgentState)


class AgentCollector(Collector, ABC, Generic[StateT]):
    """Asks `look` at each scrape, on the scraper's thread."""

    def __init__(self, look: Callable[[], StateT], about: Mapping[str, str]) -> None:
        self._look = look
        self._about = about

    def describe(self) -> list[Metric]:
        """Nothing to check names against: registering must not look."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        state = self._look()
        yield of.info({**self._about, **self.told(state)})
        yield from self.families(state)
        dropped = state.log_dropped
        yield of.counter("mc_log_lines_dropped", "Log lines that were not written.", dropped)

    def told(self, state: StateT) -> Mapping[str, str]:
        """What else the agent is, beside what never changes."""
        return {}

    @abstractmethod
    def families(self, state: StateT) -> Iterator[Metric]:
        """What this agent has and no other."""
