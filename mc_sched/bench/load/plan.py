"""Settings and measurements of `mc-sched bench load`."""

from __future__ import annotations

from dataclasses import dataclass

LOADS = (0.5, 1.0, 1.5, 2.0, 3.0, 10.0)
"""Offered loads, as multiples of the peak goodput."""
KEPT = (2.0, 3.0, 10.0)
"""Loads for which the goodput is reported as a share of the peak."""


@dataclass(frozen=True)
class LoadPlan:
    """Settings of one run."""

    bundle: str
    accuracy: float
    """QoR of every task, in [0, 1]."""
    deadline_ns: int
    seconds: float
    """Length of each measurement at one load."""
    rounds: int
    """Times that every measurement is made; all are interleaved, and medians are reported."""
    seed: int = 0
    edges: int = 4
    """Sessions with the cloud agent, or streams to the edge agent, that share the load."""
    variants: bool = True
    """Also compare batches with singles, and two workers with one."""


@dataclass(frozen=True)
class Phase:
    """A period of Poisson arrivals at one rate, at one server."""

    kind: str
    """Kind of the server: cloud, edge or fcfs."""
    address: str
    rate_per_s: float
    seconds: float
    deadline_ns: int
    accuracy: float
    edges: int
    seed: int


@dataclass(frozen=True)
class Burst:
    """An overload, after which single tasks are sent until ten in a row are in time."""

    phase: Phase
    patience_s: float = 30.0
    """Time after which the search is given up."""
