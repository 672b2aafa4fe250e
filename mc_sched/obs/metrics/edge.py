"""What an edge agent shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mc_sched.core.edge_books import EdgeSnapshot
from mc_sched.core.histogram import Histogram
from mc_sched.core.tally import Tally
from mc_sched.obs.metrics import families as of


@dataclass(frozen=True)
class EdgeState:
    """One look at the agent."""

    snapshot: EdgeSnapshot
    tally: Tally
    took: Mapping[str, Histogram]
    rails_w: Mapping[str, float]
    log_dropped: int


class EdgeCollector(Collector):
    """Asks `look` at each scrape, on the scraper's thread."""

    def __init__(self, look: Callable[[], EdgeState], about: Mapping[str, str]) -> None:
        self._look = look
        self._about = about

    def describe(self) -> list[Metric]:
        """Nothing to check names against: registering must not look."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        state = self._look()
        seen = state.snapshot
        yield of.info({**self._about, "policy": seen.policy, "mode": seen.mode})
        yield from _tasks(state)
        yield from _link(seen)
        yield from _energy(state)
        yield from of.forecasts(seen.predictors)
        yield of.counter(
            "mc_log_lines_dropped", "Log lines that were not written.", state.log_dropped
        )


def _tasks(state: EdgeState) -> Iterator[Metric]:
    seen, tally = state.snapshot, state.tally
    yield of.counters(
        "mc_tasks", "Tasks by how they ended.", ("outcome", "site", "exit"), tally.endings.items()
    )
    yield of.histograms(
        "mc_task_latency_seconds",
        "Time from submission to the outcome of answered tasks (total), and of its parts.",
        "stage", {"total": tally.latency, **state.took},
    )  # fmt: skip
    yield of.histogram(
        "mc_deadline_slack_seconds", "Time left at the outcome; below 0 it was late.", tally.slack
    )
    yield of.gauge("mc_queue_depth", "Tasks without an outcome yet.", seen.tasks_open)
    yield of.counter("mc_give_ups", "Tasks given up on the cloud.", seen.gave_up)


def _link(seen: EdgeSnapshot) -> Iterator[Metric]:
    yield of.gauge("mc_link_up", "Whether the cloud agent can be used.", seen.cloud == "up")
    yield of.gauge("mc_link_rtt_seconds", "Round trip to the cloud agent.", seen.rtt_ns / 1e9)
    yield of.gauges(
        "mc_link_bandwidth_bits_per_second", "Bandwidth as measured lately; 0 while unknown.",
        "direction", {"up": seen.uplink_bps, "down": seen.downlink_bps},
    )  # fmt: skip


def _energy(state: EdgeState) -> Iterator[Metric]:
    seen = state.snapshot
    watts = dict(state.rails_w)
    if not watts and seen.power_w is not None:
        watts = {"total": seen.power_w}
    yield of.power(watts)
    parts = [
        (("tasks",), seen.energy_j), (("idle",), seen.energy_idle_j),
        (("radio_tail",), seen.energy_tail_j), (("probes",), seen.energy_probes_j),
    ]  # fmt: skip
    yield of.counters(
        "mc_energy_joules",
        "Joules above idle by what they went into, and idle's.",
        ("part",),
        parts,
    )
    yield of.gauge("mc_e3_successes_per_joule", "E3 since the agent started.", seen.e3_per_j)
