"""A reload applies the live keys, names those that need a restart, and logs both."""

import logging

import pytest

from edge_agent.config import LIVE, EdgeConfig
from mc_sched.config import parse_config
from mc_sched.errors import ConfigError
from mc_sched.service.reload import Reloader


class Agent:
    """Reads the test's values and notes the configurations that were applied."""

    def __init__(self, **values):
        self.values, self.applied = values, []
        self.reloader = Reloader(
            self.read(), self.read, LIVE, self.applied.append, logging.getLogger("agent")
        )

    def read(self):
        return parse_config(self.values, EdgeConfig, "edge.yaml")


@pytest.fixture(autouse=True)
def all_levels_are_logged(caplog):
    caplog.set_level("INFO")


def test_live_keys_are_applied_and_logged(caplog):
    agent = Agent(mode="energy")
    agent.values = {"mode": "performance", "limits": {"tasks_per_client": 3}}
    agent.reloader.reload()
    (config,) = agent.applied
    assert (config.mode.value, config.limits.tasks_per_client) == ("performance", 3)
    assert "reloaded: " in caplog.text
    assert "mode energy -> performance" in caplog.text
    assert "limits.tasks_per_client 256 -> 3" in caplog.text
    assert "restart" not in caplog.text


def test_keys_that_need_a_restart_are_named_and_left(caplog):
    agent = Agent()
    agent.values = {"threads": 2, "energy": {"idle_w": 9.0}, "quantile": 0.9}
    agent.reloader.reload()
    (config,) = agent.applied
    assert (config.threads, config.energy.idle_w, config.quantile) == (1, 3.0, 0.9)
    assert "needs a restart: " in caplog.text
    assert "threads 1 -> 2" in caplog.text
    assert "energy.idle_w 3.0 -> 9.0" in caplog.text


def test_a_mistake_changes_nothing_and_is_logged(caplog):
    agent = Agent()
    agent.values = {"moed": "energy"}
    with pytest.raises(ConfigError):
        agent.read()
    agent.reloader.reload()
    assert agent.applied == []
    assert (
        "not reloaded; the old configuration stays in effect: edge.yaml: unknown key 'moed'"
        in caplog.text
    )


def test_a_name_generated_at_the_start_is_not_a_change(caplog):
    agent = Agent()
    agent.reloader.reload()
    assert agent.applied == []
    assert "no key that can change live has changed" in caplog.text
    assert "restart" not in caplog.text


def test_a_reload_compares_with_the_last_one():
    agent = Agent()
    for quantile in (0.9, 0.9, 0.8):
        agent.values = {"quantile": quantile}
        agent.reloader.reload()
    assert [config.quantile for config in agent.applied] == [0.9, 0.8]


def test_the_example_files_mark_exactly_the_live_keys():
    from pathlib import Path

    from cloud_agent.config import LIVE as CLOUD_LIVE

    configs = Path(__file__).parents[2] / "configs"
    for name, live in (("edge", LIVE), ("cloud", CLOUD_LIVE)):
        lines = (configs / f"{name}.yaml").read_text().splitlines()
        marked = {line.partition(":")[0] for line in lines if "# (live)" in line}
        assert marked == live
