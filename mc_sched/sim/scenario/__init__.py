"""Scenarios: YAML files that describe simulated worlds. See the examples in `configs/scenarios/`.

A scenario gives the networks and their times in one of three forms: a set like the paper's, the
networks' tables, or a bundle with the profiles of two hosts. Bundles are read by the command line,
which passes their tables on. Every duration, size and rate has a unit. Errors name the file, the
line and the key.
"""

from mc_sched.sim.scenario.devices import DeviceConfig
from mc_sched.sim.scenario.groups import CloudGroupConfig, EdgeGroupConfig, StreamConfig
from mc_sched.sim.scenario.links import LinkConfig, OutageConfig
from mc_sched.sim.scenario.networks import BundleConfig, Tables
from mc_sched.sim.scenario.scenario import Scenario, load_scenario

__all__ = [
    "BundleConfig",
    "CloudGroupConfig",
    "DeviceConfig",
    "EdgeGroupConfig",
    "LinkConfig",
    "OutageConfig",
    "Scenario",
    "StreamConfig",
    "Tables",
    "load_scenario",
]
