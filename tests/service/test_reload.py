"""What a reload changes, what it leaves, and what it says."""

import logging

import pytest

from edge_agent.config import LIVE, EdgeConfig
from mc_sched.config import parse_config
from mc_sched.errors import ConfigError
from mc_sched.service.reload import Reloader


class Agent:
    """Reads what the test wants and remembers what was put into force."""

    def __init__(self, **values):
        self.values, self.applied = values, []
        self.reloader = Reloader(
            self.read(), self.read, LIVE, self.applied.append, logging.getLogger("agent")
        )

    def read(self):
        return parse_config(self.values, EdgeConfig, "edge.yaml")


@pytest.fixture(autouse=True)
def everything_is_said(caplog):
    caplog.set_level("INFO")


def test_live_keys_are_put_into_force_and_told(caplog):
    agent = Agent(mode="energy")
    agent.values = {"mode": "performance", "limits": {"tasks_per_client": 3}}
    agent.reloader.reload()
    (config,) = agent.applied
    assert (config.mode.value, config.limits.tasks_per_client) == ("performance", 3)
    assert "reloaded: " in caplog.text
    assert "mode energy -> performance" in caplog.text
    assert "limits.tasks_per_client 256 -> 3" in caplog.text
    assert "restart" not in caplog.text


def test_what_needs_a_restart_is_named_and_left_as_it_was(caplog):
    agent = Agent()
    agent.values = {"threads": 2, "energy": {"idle_w": 9.0}, "quantile": 0.9}
    agent.reloader.reload()
    (config,) = agent.applied
    assert (config.threads, config.energy.idle_w, config.quantile) == (1, 3.0, 0.9)
    assert "needs a restart: " in caplog.text
    assert "threads 1 -> 2" in caplog.text
    assert "energy.idle_w 3.0 -> 9.0" in caplog.text


def test_a_mistake_changes_nothing_and_is_told(caplog):
    agent = Agent()
    agent.values = {"moed": "energy"}
    with pytest.raises(ConfigError):
        agent.read()
    agent.reloader.reload()
    assert agent.applied == []
    assert "not reloaded, nothing has changed: edge.yaml: unknown key 'moed'" in caplog.text


def test_a_name_made_up_at_the_start_is_no_change(caplog):
    agent = Agent()
    agent.reloader.reload()
    assert agent.applied == []
    assert "nothing that can change live has changed" in caplog.text
    assert "restart" not in caplog.text


def test_the_next_reload_counts_from_the_last_one():
    agent = Agent()
    for quantile in (0.9, 0.9, 0.8):
        agent.values = {"quantile": quantile}
        agent.reloader.reload()
    assert [config.quantile for config in agent.applied] == [0.9, 0.8]


def test_the_examples_mark_exactly_what_is_live():
    from pathlib import Path

    from cloud_agent.config import LIVE as CLOUD_LIVE

    configs = Path(__file__).parents[2] / "configs"
    for name, live in (("edge", LIVE), ("cloud", CLOUD_LIVE)):
        lines = (configs / f"{name}.yaml").read_text().splitlines()
        marked = {line.partition(":")[0] for line in lines if "# (live)" in line}
        assert marked == live
