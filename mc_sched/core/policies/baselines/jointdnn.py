"""Baseline `jointdnn`: the cloud net, split along the shortest path through its stages.

Eshratifar et al. 2019 (arXiv 1801.08618); Tang et al. 2020, section "Experimental setup", baseline
(iii). The graph has two nodes per stage, one on the device and one in the cloud. An edge costs time
or, in energy mode, the device's joules: to run a stage, to upload the activation with its codec, or
to download the result. Downloads between stages are left out, as the device would pay for the
transfer and then for stages that cost it nothing in the cloud. The policy is static: it knows the
link's long-run mean or that there is no link, and ignores queues, the present rate, deadline and
QoR.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from mc_sched.core.policies.options import (
    offload_without_fallback,
    partition_options,
    refuse_without_tables,
)
from mc_sched.core.policy import Decision, RunOnEdge, View
from mc_sched.core.stage_graph import Cost, StageGraph
from mc_sched.core.task import Mode, Task

Node = tuple[str, int]
"""A site and the number of stages done; "end" means that the device has the result."""
Weight = Callable[[Cost], float]
END: Node = ("end", 0)


def decide(task: Task, view: View) -> Decision:
    """Offload if the shortest path leaves the device, otherwise run the net on it."""
    graph = view.stage_graph
    if graph is None:
        return refuse_without_tables()
    ends = {o.codec: o for o in partition_options(task, view) if o.exit == graph.exit}
    path = shortest_path(graph, set(ends), _joules if view.mode is Mode.ENERGY else _time_ns)
    sent = next((codec for codec in path if codec), None)
    return RunOnEdge(graph.exit) if sent is None else offload_without_fallback(ends[sent])


def _joules(cost: Cost) -> float:
    return cost.energy_j


def _time_ns(cost: Cost) -> float:
    return cost.time_ns


def shortest_path(graph: StageGraph, codecs: set[str], weight: Weight) -> list[str]:
    """Return the edges from the input to the result (Dijkstra 1959): codecs of uploads, or ""."""
    ahead: list[tuple[float, Node, list[str]]] = [(0.0, ("device", 0), [])]
    done: set[Node] = set()
    while ahead:
        length, node, path = heapq.heappop(ahead)
        if node == END:
            return path
        if node in done:
            continue
        done.add(node)
        for following, cost, codec in _edges_from(graph, codecs, node):
            heapq.heappush(ahead, (length + weight(cost), following, [*path, codec]))
    raise AssertionError("the device alone is always a path")


def _edges_from(
    graph: StageGraph, codecs: set[str], node: Node
) -> Iterator[tuple[Node, Cost, str]]:
    """Yield the next node, its cost, and the codec if the edge is an upload."""
    site, stage = node
    stages = graph.device if site == "device" else graph.cloud
    if stage < len(stages):
        yield (site, stage + 1), stages[stage], ""
    else:
        yield END, graph.reply if site == "cloud" else Cost(0, 0.0), ""
    if site == "device":
        for upload in graph.uploads:
            if upload.stage == stage and upload.codec in codecs:
                yield ("cloud", stage), upload.cost, upload.codec
