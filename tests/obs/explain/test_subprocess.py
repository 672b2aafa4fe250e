"""An agent's explanations run in a process of their own."""

import orjson
import pytest

from mc_sched.errors import UserError
from mc_sched.obs.explain import subprocess as aside
from mc_sched.obs.explain.subprocess import explain_in_subprocess
from tests.obs.logged_edge import LoggedEdge


@pytest.fixture
def store(tmp_path):
    edge = LoggedEdge()
    edge.submit(0, "cloud-1", 84)
    edge.accepted(20, "cloud-1")
    edge.replied(29, "cloud-1")
    edge.stored(tmp_path / "edge.db").close()
    return tmp_path / "edge.db"


def test_it_returns_all_that_the_console_shows(store):
    found = orjson.loads(explain_in_subprocess([store], "cloud-1"))
    assert (found["task_id"], found["outcome"], found["faithful"]) == ("cloud-1", "succeeded", True)
    assert [span["name"] for span in found["spans"]] == ["task", "upload"]
    assert found["text"].startswith("task cloud-1: succeeded")


@pytest.mark.parametrize("task_id", ["nobody", "-x", "--help"])
def test_an_unknown_task_is_an_error(store, task_id):
    with pytest.raises(UserError, match=f"{task_id}.*holds the beginning of this task"):
        explain_in_subprocess([store], task_id)


def test_an_invalid_task_id_starts_no_process(store, monkeypatch):
    monkeypatch.setattr(aside.subprocess, "run", None)
    with pytest.raises(UserError, match="not a valid task id"):
        explain_in_subprocess([store], "a\0b")


def test_it_has_a_time_limit(store, monkeypatch):
    monkeypatch.setattr(aside, "PATIENCE_S", 0.01)
    with pytest.raises(UserError, match="takes longer than"):
        explain_in_subprocess([store], "cloud-1")


def test_only_one_runs_at_a_time(store, monkeypatch):
    monkeypatch.setattr(aside, "PATIENCE_S", 0.01)
    with aside._one_at_a_time, pytest.raises(UserError, match="try again"):
        explain_in_subprocess([store], "cloud-1")
