"""Simulated worlds whose machines are validated after every event."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from mc_sched.core.cloud_machine import CloudMachine
from mc_sched.core.edge_machine import EdgeMachine


class ValidatedEdge(EdgeMachine):
    def handle(self, event):
        actions = super().handle(event)
        self.validate()
        return actions


class ValidatedCloud(CloudMachine):
    def handle(self, event):
        actions = super().handle(event)
        self.validate()
        return actions


@pytest.fixture(autouse=True)
def _validated(monkeypatch):
    monkeypatch.setattr("mc_sched.sim.edge.EdgeMachine", ValidatedEdge)
    monkeypatch.setattr("mc_sched.sim.cloud.CloudMachine", ValidatedCloud)
