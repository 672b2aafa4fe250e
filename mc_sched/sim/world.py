"""Runs a simulated deployment: edges, their links and cloud agents, on one clock."""

from __future__ import annotations

from collections.abc import Callable

from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.clock import Clock
from mc_sched.sim.cloud import SimCloud
from mc_sched.sim.edge import SimEdge
from mc_sched.sim.machine_driver import Recorder
from mc_sched.sim.radio_link import RadioLink
from mc_sched.sim.spec import EdgeSpec, WorldSpec
from mc_sched.sim.truth import Truth

Sink = Callable[[EdgeSpec, TaskResult], None]
"""Receives each result of an edge when its task ends; results are not kept anywhere else."""


def simulate(world: WorldSpec, sink: Sink, record: Recorder | None = None) -> float:
    """Run a world until all of its tasks are over, and return the simulated seconds.

    The same world under the same seed gives the same events, to the nanosecond. `record` receives
    all of them with the machines' actions; the node's name is an edge's id, or cloud-0, ...
    """
    clock = Clock()
    clouds = [
        SimCloud(clock, f"cloud-{number}", spec, record) for number, spec in enumerate(world.clouds)
    ]
    links: dict[str, RadioLink] = {}
    edges = []
    for number, spec in enumerate(world.edges):
        link = links.setdefault(
            spec.shared_link or f"edge {number}", RadioLink(clock, spec.radio_link)
        )
        cloud = None if spec.cloud is None else clouds[spec.cloud]
        truth = Truth(f"{world.seed}-{spec.edge_id}")
        edges.append(SimEdge(clock, spec, link, cloud, truth, _to(sink, spec), record))
    for edge in edges:
        edge.start()
    clock.run()
    return clock.now_ns / 1e9


def _to(sink: Sink, spec: EdgeSpec) -> Callable[[TaskResult], None]:
    return lambda result: sink(spec, result)
