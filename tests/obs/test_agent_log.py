"""An agent's log, as configured."""

from pathlib import Path

import pytest

from edge_agent.config import EdgeConfig
from mc_sched.config import parse_config
from mc_sched.obs.agent_log import open_log, store_file
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.stores import open_stores


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return tmp_path


def config(**values):
    return parse_config(values, EdgeConfig, "test")


def test_a_store_is_named_by_the_agents_port(state):
    assert store_file(config(), "edge") == state / "logs" / "edge-7070.db"
    assert store_file(config(listen="127.0.0.1:0"), "edge") is None
    assert store_file(config(log_store={"file": "none"}), "edge") is None
    assert store_file(config(log_store={"file": "x.db"}, listen="127.0.0.1:0"), "edge") == Path(
        "x.db"
    )


def test_without_a_service_manager_it_is_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert store_file(config(), "edge") == tmp_path / "mc-sched" / "logs" / "edge-7070.db"


def test_the_log_fills_the_store(state):
    log = open_log(config(), "edge")
    log.write(1, "note", {"text": "hello"})
    log.close()
    with open_stores([state / "logs" / "edge-7070.db"]) as stores:
        (line,) = stores.lines(Query(words=("hello",)), 9)
    assert line.record["node"] == "edge"


def test_a_second_agent_on_the_same_store_continues_without_it(state, capsys):
    first = open_log(config(), "edge")
    second = open_log(config(), "edge")
    second.write(1, "note", {"text": "lost"})
    second.close()
    first.close()
    assert "another agent writes to it; set log_store.file to another" in capsys.readouterr().err
    open_log(config(), "edge").close()  # it is free again
    assert capsys.readouterr().err == ""


def test_a_store_that_cannot_be_written_causes_a_warning(state, capsys):
    (state / "logs").write_text("a file")
    open_log(config(), "edge").close()
    assert "no log store at" in capsys.readouterr().err
