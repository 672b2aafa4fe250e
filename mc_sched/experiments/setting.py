"""What holds for a whole experiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from mc_sched.bundles.scenario_tables import tables_of
from mc_sched.core.task import Privacy
from mc_sched.errors import UserError
from mc_sched.sim.scenario import Scenario, Tables

Profile = Literal["paper", "host"]
PROFILES: tuple[Profile, ...] = ("paper", "host")
SETS = ("a", "b")
JPEG_BYTES = {"paper": 16_000, "host": 18_400}
"""Mean size of a picture of 224 x 224: of a photograph at a high quality (ESTIMATE); of 200 of the
images that the shipped bundles are tested on."""
SIZE_SPREAD = {"paper": 0.2, "host": 0.3}
"""Deviation of its logarithm: an ESTIMATE; of the same 200 images."""
NOISE = 0.05
"""Deviation of the logarithm of the time of a piece of work, on either site (ESTIMATE)."""


@dataclass(frozen=True)
class Setting:
    """The networks' class, what may leave the device, and how much is simulated."""

    profile: Profile = "paper"
    privacy: Privacy = Privacy.FEATURES
    """The paper lets nothing leave but what the codec of Osia et al. 2020 makes."""
    tasks: int = 150
    """Per cell, system and seed."""
    seeds: int = 3

    def networks(self, net_set: str) -> dict[str, Any]:
        """The part of a scenario that names the networks."""
        if self.profile == "paper":
            return {"networks": f"paper-{net_set}"}
        return {"bundle": {"name": f"set-{net_set}"}}

    def tables(self, net_set: str) -> Tables:
        """The networks of a set with their times. UserError says how to measure missing ones."""
        return tables_of(Scenario.model_validate(self.networks(net_set)))

    def with_tasks(self, tasks: int) -> Setting:
        """The same with another number of tasks."""
        return replace(self, tasks=tasks)

    def described(self) -> dict[str, object]:
        """For the reports."""
        return {
            "profile": self.profile,
            "privacy": self.privacy.value,
            "tasks_per_seed": self.tasks,
            "seeds": self.seeds,
        }


def checked(setting: Setting) -> Setting:
    """The setting, if it can be used."""
    if setting.tasks < 10 or setting.seeds < 1:
        raise UserError("--tasks must be at least 10, and --seeds at least 1", exit_code=2)
    if setting.privacy is Privacy.EDGE_ONLY:
        raise UserError("--privacy edge-only leaves nothing to schedule", exit_code=2)
    return setting
