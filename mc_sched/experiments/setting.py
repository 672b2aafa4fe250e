"""The settings of a whole experiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from mc_sched.bundles.scenario_tables import tables_of
from mc_sched.core.task import Privacy
from mc_sched.errors import UserError
from mc_sched.sim.scenario import Scenario, Tables

Profile = Literal["paper", "t4", "host"]
"""The paper's class of hardware; its edges with a T4 in the cloud; this host."""
SETS = ("a", "b")
JPEG_BYTES = {"paper": 16_000, "t4": 16_000, "host": 18_400}
"""Mean size of an image of 224 x 224: a photograph at a high quality (ESTIMATE); 200 of the images
on which the shipped bundles are tested."""
SIZE_DISPERSION = {"paper": 0.2, "t4": 0.2, "host": 0.3}
"""Standard deviation of its logarithm: an ESTIMATE; the same 200 images."""
NOISE = 0.05
"""Standard deviation of the logarithm of the time of a piece of work (ESTIMATE)."""


@dataclass(frozen=True)
class Setting:
    """Networks, privacy, and the amount of simulation."""

    profile: Profile = "paper"
    privacy: Privacy = Privacy.FEATURES
    """In the paper, only payloads of the codec of Osia et al. 2020 leave the device."""
    tasks: int = 150
    """Number of tasks per cell, system and seed."""
    seeds: int = 3

    def networks(self, net_set: str) -> dict[str, Any]:
        """Return the part of a scenario that names the networks."""
        if self.profile == "host":
            return {"bundle": {"name": f"set-{net_set}"}}
        return {"networks": f"{self.profile}-{net_set}"}

    def tables(self, net_set: str) -> Tables:
        """Return the tables of a set; UserError explains how to measure missing times."""
        return tables_of(Scenario.model_validate(self.networks(net_set)))

    def with_tasks(self, tasks: int) -> Setting:
        """Return the setting with another number of tasks."""
        return replace(self, tasks=tasks)

    def description(self) -> dict[str, object]:
        """Return the setting for reports."""
        return {
            "profile": self.profile,
            "privacy": self.privacy.value,
            "tasks_per_seed": self.tasks,
            "seeds": self.seeds,
        }


def checked(setting: Setting) -> Setting:
    """Return the setting, or raise UserError if it is not valid."""
    if setting.tasks < 10 or setting.seeds < 1:
        raise UserError("--tasks must be at least 10, and --seeds at least 1", exit_code=2)
    if setting.privacy is Privacy.EDGE_ONLY:
        raise UserError("--privacy edge-only leaves nothing to schedule", exit_code=2)
    return setting
