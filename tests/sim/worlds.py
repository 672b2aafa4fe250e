"""Small worlds with the round figures of tests/core, and the stories of their runs."""

import dataclasses
from functools import partial

from mc_sched.core import actions as do
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import Mode
from mc_sched.link.model import LinkSpec, Outage, mbps
from mc_sched.sim.arrivals import Stream
from mc_sched.sim.noise import lognormal
from mc_sched.sim.spec import STEADY, CloudSpec, DeviceSpec, EdgeSpec, RadioLinkSpec, WorldSpec
from mc_sched.sim.world import simulate
from tests.core.round_figures import CLOUD, LOCAL, MS

S = 1000 * MS
LINK = LinkSpec(mbps(8), mbps(8), rtt_ns=10 * MS)
"""A payload of 10 kB takes 10 ms up."""


def stream(**wanted):
    return Stream(
        **{"tasks": 60, "deadline_ns": 150 * MS, "payload_bytes": {"jpeg": 10_000}} | wanted
    )


def edge(
    name="edge", link=LINK, cloud=0, noise=0.0, slowdown=STEADY, shared_link="", seed=0, **wanted
):
    """Return an edge in energy mode; further arguments are `settings` and those of the stream."""
    settings = {"mode": Mode.ENERGY} | wanted.pop("settings", {})
    tasks = stream(**wanted)
    return EdgeSpec(
        name, LOCAL, partial(tasks.run, name, f"{seed}-{name}"), EdgeSettings(**settings),
        DeviceSpec(lognormal(noise, f"{seed}-{name}"), slowdown), RadioLinkSpec(link), cloud,
        shared_link,
    )  # fmt: skip


def world(
    *edges, clouds=1, seed=0, noise=0.0, slowdown=STEADY, max_tasks=64, table=CLOUD, **settings
):
    """Return a world; further arguments are settings of the cloud agents."""
    device = DeviceSpec(lognormal(noise, f"{seed}-cloud"), slowdown)
    cloud = CloudSpec(table, CloudSettings(max_tasks=max_tasks, **settings), device)
    return WorldSpec(tuple(edges) or (edge(),), (cloud,) * clouds, seed)


def dark(*spans):
    """Return the link with outages (start, duration), in seconds."""
    outages = tuple(Outage(round(start * S), round(length * S)) for start, length in spans)
    return dataclasses.replace(LINK, outages=outages)


class Story:
    """A run: its results, and the events and actions of every node."""

    def __init__(self, spec):
        self.results, self.steps = [], []
        self.seconds = simulate(
            spec,
            lambda edge, result: self.results.append((edge.edge_id, result)),
            lambda node, event, actions: self.steps.append((node, event, tuple(actions))),
        )

    @property
    def outcomes(self):
        return [result.outcome for _, result in self.results]

    def kinds(self):
        return [outcome.kind.value for outcome in self.outcomes]

    def events(self, kind, node=None):
        return [e for n, e, _ in self.steps if isinstance(e, kind) and node in (None, n)]

    def actions(self, kind, node=None):
        return [
            a for n, _, acts in self.steps if node in (None, n) for a in acts if isinstance(a, kind)
        ]

    def finishes(self):
        return [a.outcome.task_id for a in self.actions(do.Finish)]
