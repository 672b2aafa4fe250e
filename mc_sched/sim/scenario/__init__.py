"""Scenarios: what is simulated, as a YAML file. `configs/scenarios/` holds commented examples.

A scenario names the networks and their times in one of three ways: a set of the paper's class, the
networks written out, or a bundle with the profiles of two hosts. The last needs somebody who can
read bundles: the command line does, and hands the tables over. Every duration, size and rate has
its unit. Errors name the file, the line and the key.
"""

from mc_sched.sim.scenario.devices import DeviceConfig
from mc_sched.sim.scenario.groups import CloudGroupConfig, EdgeGroupConfig, StreamConfig
from mc_sched.sim.scenario.links import LinkConfig, OutageConfig
from mc_sched.sim.scenario.networks import BundleConfig, Tables
from mc_sched.sim.scenario.whole import Scenario, load_scenario

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
