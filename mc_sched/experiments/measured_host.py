"""Puts measurements of the host, from a live run's log, into a scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median, stdev
from typing import Any

from mc_sched.core.quantiles import nearest_rank
from mc_sched.errors import UserError
from mc_sched.obs.log.event_log import read_log
from mc_sched.sim.scenario import DeviceConfig, Scenario, Tables
from mc_sched.sim.what_if import Recorded, read_recorded

QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95, "p99": 0.99}


def with_measured(scenario: Scenario, edge_log: Path) -> tuple[Scenario, Tables]:
    """Return the scenario with the host's noise, sizes and round trip, and its tables."""
    recorded = read_recorded(read_log(edge_log))
    if recorded.cloud is None:
        raise UserError(
            "the edge agent never connected to its cloud agent; this host may be too busy"
        )
    (group,), (cloud,) = scenario.edges, scenario.clouds
    rtt_ns = round(median(rtt_ns for _, rtt_ns in recorded.rtts_ns))
    edge = group.model_copy(
        update={
            "admission": round(median(recorded.admission_ns)),
            "device": _device([factor for _, factor in recorded.local_slowdowns]),
            "link": group.link.model_copy(update={"rtt": rtt_ns}),
            "stream": group.stream.model_copy(update=_sizes(recorded)),
        }
    )
    server = cloud.model_copy(
        update={"device": _device([factor for _, factor in recorded.cloud_slowdowns])}
    )
    measured = scenario.model_copy(update={"edges": [edge], "clouds": [server]})
    return measured, (recorded.table, recorded.cloud)


def _device(factors: Sequence[float]) -> DeviceConfig:
    """Return the measured quantiles of the factors; without factors, times are as profiled."""
    if not factors:
        return DeviceConfig()
    ordered = sorted(factors)
    quantiles = {name: nearest_rank(ordered, q) for name, q in QUANTILES.items()}
    return DeviceConfig(quantiles=quantiles, noise_per="task")


def _sizes(recorded: Recorded) -> dict[str, Any]:
    sizes = [(task.payload_bytes or {}).get("jpeg", 0) for task in recorded.tasks]
    known = [size for size in sizes if size]
    if not known:
        return {}
    logarithms = [math.log(size) for size in known]
    return {"jpeg": round(sum(known) / len(known)), "size_dispersion": stdev(logarithms)}
