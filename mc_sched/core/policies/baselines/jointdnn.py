"""Baseline `jointdnn`: the cloud net cut in two along the shortest path through its layers.

Eshratifar et al. 2019 (arXiv 1801.08618); Tang et al. 2020, section "Experimental setup", baseline
(iii). The graph has two nodes per stage, on the device and on the cloud. Its edges cost time or, in
energy mode, the device's joules: running a stage, sending the activation up with its codec, and the
result down. An edge down in the middle is left out: the device would have to pay for the transfer
and for stages that cost it nothing on the cloud. Static for a link condition, which is the link's
long-run mean, or no link: neither queues nor the present rate are looked at, nor deadline and QoR.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from mc_sched.core.policy import Decision, RunOnEdge, View, no_tables, raw_options, without_fallback
from mc_sched.core.stage_graph import Cost, StageGraph
from mc_sched.core.task import Mode, Task

Node = tuple[str, int]
"""A site, and how many stages are done; "end" is where the result is on the device."""
Weight = Callable[[Cost], float]
END: Node = ("end", 0)


def decide(task: Task, view: View) -> Decision:
    """Where the shortest path leaves the device; if it does not, the whole network runs here."""
    layers = view.layers
    if layers is None:
        return no_tables()
    ends = {o.codec: o for o in raw_options(task, view) if o.exit == layers.exit}
    path = shortest_path(layers, set(ends), _joules if view.mode is Mode.ENERGY else _time_ns)
    sent = next((codec for codec in path if codec), None)
    return RunOnEdge(layers.exit) if sent is None else without_fallback(ends[sent])


def _joules(cost: Cost) -> float:
    return cost.energy_j


def _time_ns(cost: Cost) -> float:
    return cost.time_ns


def shortest_path(layers: StageGraph, codecs: set[str], weight: Weight) -> list[str]:
    """Dijkstra 1959: the steps from the input to the result; a way up is named by its codec."""
    ahead: list[tuple[float, Node, list[str]]] = [(0.0, ("device", 0), [])]
    done: set[Node] = set()
    while ahead:
        length, node, path = heapq.heappop(ahead)
        if node == END:
            return path
        if node in done:
            continue
        done.add(node)
        for following, cost, codec in _steps(layers, codecs, node):
            heapq.heappush(ahead, (length + weight(cost), following, [*path, codec]))
    raise AssertionError("the device alone is always a path")


def _steps(layers: StageGraph, codecs: set[str], node: Node) -> Iterator[tuple[Node, Cost, str]]:
    """Where one gets from a node, at what cost, and by which codec if that is a way up."""
    site, stage = node
    stages = layers.device if site == "device" else layers.cloud
    if stage < len(stages):
        yield (site, stage + 1), stages[stage], ""
    else:
        yield END, layers.reply if site == "cloud" else Cost(0, 0.0), ""
    if site == "device":
        for upload in layers.uploads:
            if upload.stage == stage and upload.codec in codecs:
                yield ("cloud", stage), upload.cost, upload.codec
