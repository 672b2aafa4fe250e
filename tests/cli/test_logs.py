"""Output of `mc-sched logs`, `explain` and `top` for a store and for a running agent."""

import json

import pytest

from mc_sched.cli.options import log_stores
from tests.obs.stored import finish, line, stores_of


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "edge.db"
    stores_of(
        line(0, "CloudFound", reason="", table={"name": "cloud"}),
        finish(1, "a-1", latency_ns=20_000_000),
        finish(2, "a-2", "late", "cloud", "exit2", reason="no result at the deadline"),
        line(3, "CloudGone", "warning", reason="\x1b[2Jwiped <b>bold</b>"),
        line(4, "note", "debug", text="z" * 1_000_000),
        path=path,
    ).close()
    return path


def test_lines_are_shown_oldest_first(run, store):
    ran = run("logs", "--store", store)
    assert ran.code == 0
    names = ["CloudFound", "Finish", "Finish", "CloudGone", "note"]
    shown = ran.out.splitlines()
    assert len(shown) == len(names)
    assert all(f" {name} " in text for name, text in zip(names, shown, strict=True))


def test_conditions_words_levels_and_limits(run, store):
    ids = {
        ("--where", "site=cloud outcome=late"): ["a-2"],
        ("--task", "a-1"): ["a-1"],
        ("--level", "warning"): ["a-2", None],
        ("deadline",): ["a-2"],
        ("--limit", 1, "--where", "name=Finish"): ["a-2"],
        ("--since", "1s"): ["a-1", "a-2", None, None],
    }
    for options, found in ids.items():
        ran = run("logs", "--store", store, "--output", "json", *options)
        lines = [json.loads(text).get("task_id") for text in ran.out.splitlines()]
        assert lines[-len(found) :] == found, options


def test_a_line_moves_no_cursor_and_is_not_endless(run, store):
    ran = run("logs", "--store", store)
    assert "\x1b[2J" not in ran.out
    assert r"\x1b[2Jwiped <b>bold</b>" in ran.out
    assert "(1,000,005 characters; --output json shows all)" in ran.out
    assert max(map(len, ran.out.splitlines())) < 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--where", "late"), "not a condition"),
        (("--where", "a='b"), "no closing quotation"),
        (("--limit", "0"), "--limit 0 is out of range; choose 1"),
        (("--since", "10"), "has no unit"),
    ],
)
def test_an_invalid_option_is_an_error(run, store, options, message):
    ran = run("logs", "--store", store, *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_without_any_store_the_error_names_the_remedy(run, tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "none"))
    monkeypatch.setattr(log_stores, "SERVICE_LOGS", tmp_path / "no-service")
    ran = run("logs")
    assert ran.code == 1
    assert "start an agent on a fixed port, or name a store with --store" in ran.err
    assert f"{tmp_path}/none/logs or " in ran.err


def test_the_stores_of_this_machines_agents_are_found(run, tmp_path, monkeypatch):
    """An agent that the user started, and one that runs as a service."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(log_stores, "SERVICE_LOGS", tmp_path / "service")
    stores_of(line(1, "first"), path=tmp_path / "logs" / "edge-7070.db").close()
    stores_of(line(2, "second", node="cloud"), path=tmp_path / "service" / "cloud-7071.db").close()
    assert [json.loads(t)["name"] for t in run("logs", "--output", "json").out.splitlines()] == [
        "first", "second",
    ]  # fmt: skip


def test_explain_names_the_stores_that_lack_the_task(run, store):
    ran = run("explain", "a-9", "--store", store)
    assert ran.code == 1
    assert "no edge log in these stores holds the beginning of this task" in ran.err


def test_explain_names_the_line_that_it_cannot_read(run, store):
    ran = run("explain", "a-1", "--store", store)
    assert ran.code == 1
    assert "a-1: another version wrote its log: field outcome.stream_id" in ran.err


def test_a_running_agents_logs(run, agent):
    ran = run("logs", "deadline", "--edge", agent.address, "--output", "json", "--limit", 5)
    assert json.loads(ran.out)["words"] == ["deadline"]
    (request,) = agent.log_requests
    assert (request.limit, request.follow) == (5, False)


def test_an_agent_without_a_log_store_is_an_error(run, agent):
    agent.keeps_logs = False
    ran = run("logs", "--edge", agent.address)
    assert ran.code == 1
    assert "the agent keeps no log store" in ran.err


def test_nobody_answers(run):
    ran = run("logs", "--edge", "127.0.0.1:9")
    assert ran.code == 3


def test_top_shows_the_last_seconds(run, agent):
    ran = run("top", "--edge", agent.address, "--count", 2, "--output", "json")
    first, second = map(json.loads, ran.out.splitlines())
    assert first["outcomes"] == {"succeeded": 2, "late": 1}
    assert first["sites"] == {"edge": 2}
    assert first["latency_ms"]["p50"] == 20.0
    assert first["deadline_met"] == pytest.approx(2 / 3)
    assert second["cloud"] == "up"


def test_top_as_a_table(run, agent):
    out = run("top", "--edge", agent.address, "--count", 1).out
    assert "succeeded 2, late 1" in out
    assert "p50 20.0 ms" in out
    assert "no sensor" in out
