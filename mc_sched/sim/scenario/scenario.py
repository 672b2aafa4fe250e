"""The whole scenario, as one file describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mc_sched.config import Config, load_config
from mc_sched.sim import paper_networks, t4_networks
from mc_sched.sim.scenario.groups import CloudGroupConfig, EdgeGroupConfig
from mc_sched.sim.scenario.networks import BundleConfig, NetworksConfig, Tables


class Scenario(Config):
    """Edges and cloud agents, with their networks."""

    seed: int = 0
    networks: Literal["paper-a", "paper-b", "t4-a", "t4-b"] | None = None
    tables: NetworksConfig | None = None
    bundle: BundleConfig | None = None
    edges: list[EdgeGroupConfig] = Field(default_factory=lambda: [EdgeGroupConfig()], min_length=1)
    clouds: list[CloudGroupConfig] = Field(default_factory=lambda: [CloudGroupConfig()])

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        given = [self.networks, self.tables, self.bundle]
        if sum(part is not None for part in given) > 1:
            raise ValueError("set only one of networks, tables and bundle")
        clouds = sum(group.count for group in self.clouds)
        for group in self.edges:
            if not group.alone and (group.cloud or 0) >= clouds:
                raise ValueError(
                    f"edge group {group.name} uses cloud agent {group.cloud or 0}, but the "
                    f"scenario has {clouds} (numbered from 0); add cloud agents or set alone"
                )
        names = [group.name for group in self.edges]
        if len(set(names)) < len(names):
            raise ValueError("two edge groups have the same name")
        return self

    def own_tables(self) -> Tables | None:
        """Return the tables of the networks; None if they are in a bundle."""
        if self.bundle is not None:
            return None
        if self.tables is not None:
            return self.tables.tables()
        return {**paper_networks.SETS, **t4_networks.SETS}[self.networks or "paper-a"]


def load_scenario(path: str | Path) -> Scenario:
    """Read and check a scenario file.

    Raises ConfigError with the file, the line, the key and the permitted values. Its trace files
    are read by `build.world_of`.
    """
    return load_config(path, Scenario)
