"""Base of both agents' collectors: it reads the agent's state at each scrape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mc_sched.obs.metrics import families as of


class MetricsInput(Protocol):
    """State of an agent at a scrape, as far as both agents share it."""

    @property
    def log_dropped(self) -> int:
        """Number of log lines that were not written."""


StateT = TypeVar("StateT", bound=MetricsInput)


class AgentCollector(Collector, ABC, Generic[StateT]):
    """Calls `read` at each scrape, on the scraper's thread."""

    def __init__(self, read: Callable[[], StateT], about: Mapping[str, str]) -> None:
        """`about`: labels of `mc_agent_info` that never change."""
        self._read = read
        self._about = about

    def describe(self) -> list[Metric]:
        """Return no names to check, so that registering does not read the state."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        state = self._read()
        yield of.info({**self._about, **self.changing_info(state)})
        yield from self.families(state)
        dropped = state.log_dropped
        yield of.counter("mc_log_lines_dropped", "Log lines that were not written.", dropped)

    def changing_info(self, state: StateT) -> Mapping[str, str]:
        """Return the labels of `mc_agent_info` that a reload may change."""
        return {}

    @abstractmethod
    def families(self, state: StateT) -> Iterator[Metric]:
        """Yield the families that only this kind of agent has."""
