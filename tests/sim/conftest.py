"""Simulated worlds whose machines are validated after every event."""

import pytest

from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine


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
