"""One cell of an experiment (networks, link, QoR and QoS), and its scenario."""

from __future__ import annotations

from dataclasses import dataclass

from mc_sched.config import parse_config
from mc_sched.core.task import ExitRule
from mc_sched.experiments.setting import JPEG_BYTES, NOISE, SIZE_DISPERSION, Setting
from mc_sched.experiments.systems import System, cloud_settings
from mc_sched.experiments.traces import Kind, TracePair
from mc_sched.sim.scenario import Scenario

LINKS: tuple[Kind, ...] = ("wifi", "4g", "3g")
QORS = (0.75, 0.80, 0.85, 0.90)
"""The paper's range, in steps of our scheduler's `accuracy_step`."""
JITTER_NS = {"wifi": 2_000_000, "4g": 10_000_000, "3g": 30_000_000}
"""Jitter of the one-way delay, as in configs/scenarios (ESTIMATE: a fifth of the round trip)."""
CONNECTING = "1s"
"""Time for the agents to connect before the first image; they have few samples by then."""


@dataclass(frozen=True)
class Cell:
    """A set of conditions under which the systems are compared."""

    net_set: str
    link: Kind
    qor: float
    qos_ns: int
    fps: float = 12.0
    trace: TracePair | None = None
    exit_rule: ExitRule = ExitRule.ADAPTIVE

    def keys(self) -> dict[str, object]:
        """Return the columns that identify the cell in a row; `qos` is in ms."""
        return {
            "set": self.net_set,
            "link": self.link,
            "trace": "" if self.trace is None else self.trace.name,
            "qor": self.qor,
            "qos": self.qos_ns / 1e6,
        }


def scenario_of(cell: Cell, setting: Setting, system: System, seed: int) -> Scenario:
    """Return one camera and one cloud agent under a system; a seed gives all the same world."""
    device = {"noise": NOISE}
    camera = {
        "name": "camera",
        "stream": {
            "start": CONNECTING,
            "tasks": setting.tasks,
            "fps": cell.fps,
            "deadline": f"{cell.qos_ns}ns",
            "accuracy": cell.qor,
            "privacy": setting.privacy,
            "jpeg": f"{JPEG_BYTES[setting.profile]}B",
            "size_dispersion": SIZE_DISPERSION[setting.profile],
        },
        "link": _link(cell),
        "device": device,
        "policy": system.policy,
        "mode": system.mode,
        "exit_rule": cell.exit_rule,
        "cloud_net_on_edge": True,  # as for the partitioning systems, which need it
    }
    cloud = {"device": device, **cloud_settings(system.policy)}
    world = {"seed": seed, "edges": [camera], "clouds": [cloud]}
    return parse_config({**world, **setting.networks(cell.net_set)}, Scenario, "experiment")


def _link(cell: Cell) -> dict[str, str]:
    link = {"kind": cell.link, "jitter": f"{JITTER_NS[cell.link]}ns"}
    if cell.trace is not None:
        link["up_trace"] = str(cell.trace.up.absolute())
        link["down_trace"] = str(cell.trace.down.absolute())
    return link
