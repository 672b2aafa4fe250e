"""Traces: where their ids come from, and how the lines of a log get them."""

import orjson
import pytest

from mc_sched.errors import UserError
from mc_sched.obs.log import trace
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.log.trace import TaskTraces, derived_trace, is_trace_id, trace_of
from mc_sched.obs.loki.labels import metadata_of
from mc_sched.obs.store.query import Query, of_trace, parse_where
from mc_sched.obs.store.writer import REMEMBERED, StoreWriter
from tests.obs.logged_edge import LoggedEdge
from tests.obs.stored import line, stores_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "0af7651916cd43dd8448eb211c80319c"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "given",
    [
        f"00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-ff",
        f"cc-{TRACE}-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01-fields-of-a-later-version",
    ],
)
def test_a_traceparent_names_its_trace(given):
    assert trace_of(given) == TRACE


@pytest.mark.parametrize(
    "given",
    [
        "",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01-more",
        f"01-{TRACE}-{PARENT}-01.more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f" 00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}-01,00-{OTHER}-{PARENT}-01",
    ],
)
def test_an_invalid_traceparent_names_no_trace(given):
    assert trace_of(given) == ""


def test_a_derived_trace_depends_on_all_its_parts():
    assert derived_trace("run", "s", "t1") == derived_trace("run", "s", "t1")
    about = [("run", "s", "t1"), ("run", "s", "t2"), ("run", "st", "1"), ("other", "s", "t1")]
    made = {derived_trace(*parts) for parts in about}
    assert len(made) == 4
    assert all(map(is_trace_id, made))


def test_the_oldest_task_is_forgotten(monkeypatch):
    monkeypatch.setattr(trace, "REMEMBERED_TASKS", 2)
    traces = TaskTraces()
    for number in range(3):
        traces.note(f"t{number}", TRACE)
    assert [traces.of(f"t{number}") for number in range(3)] == ["", TRACE, TRACE]


def test_every_line_of_a_traced_task_has_its_trace_and_no_other_line_has():
    log, records = EventLog(None, "edge"), []
    log.subscribe(records.append)
    log.note_trace("a", TRACE)
    log.note_trace("b", "")
    for task_id in ("a", "b", "c"):
        log.write(0, "note", {"task_id": task_id})
    log.write(0, "note", {"power": 1})
    assert [record.get("trace_id") for record in records] == [TRACE, None, None, None]


# --- in the store -----------------------------------------------------------------------------


def traced(at_s, task, trace_id, **fields):
    """A line of a traced task."""
    return orjson.dumps({**orjson.loads(line(at_s, task=task, **fields)), "trace_id": trace_id})


LINES = [
    traced(0, "a", TRACE), line(1, "other"), traced(2, "b", OTHER), traced(3, "a", TRACE),
    traced(4, "robot/a", TRACE, node="cloud"), line(5, "no trace", task="c"),
]  # fmt: skip


def test_a_trace_finds_the_lines_of_its_tasks_on_both_nodes():
    stores = stores_of(*LINES)
    found = stores.lines(of_trace(TRACE), 10)
    assert [one.record["task_id"] for one in found] == ["robot/a", "a", "a"]
    assert len(stores.lines(Query(terms=parse_where(f"trace_id!={TRACE}")), 10)) == 3
    assert stores.statistics("trace_id", Query()) == {TRACE: 3, OTHER: 1}
    width, counted = 3600, Query(terms=parse_where(f"trace_id={TRACE} node=cloud"))
    assert list(stores.volume(counted, width).values()) == [{"info": 1}]


def test_ids_cannot_be_compared_as_numbers():
    for where in ("trace_id>5", "task<5"):
        with pytest.raises(UserError, match="only numbers"):
            parse_where(where)


def test_a_store_names_a_trace_once_for_each_of_its_tasks(tmp_path):
    writer = StoreWriter(tmp_path / "s.db")
    writer.append(LINES)
    writer.append([traced(6, "a", TRACE)])
    held = "SELECT task FROM lines WHERE trace IS NOT NULL ORDER BY id"
    rows = writer.connection.execute(held).fetchall()
    assert [row[0] for row in rows] == ["a", "b", "robot/a"]
    writer._traced.update((str(n), TRACE) for n in range(REMEMBERED))
    writer.append([traced(7, "d", TRACE)])
    assert len(writer._traced) == 1
    writer.close()


def test_a_lines_metadata_for_grafana_has_its_trace():
    assert metadata_of(orjson.loads(LINES[0]))["trace_id"] == TRACE
    assert "trace_id" not in metadata_of(orjson.loads(LINES[1]))


# --- explanations -----------------------------------------------------------------------------


def test_a_task_is_explained_by_its_trace():
    edge = LoggedEdge()
    edge.submit(0, "cloud-1", 84, trace_id=TRACE)
    edge.accepted(20, "cloud-1")
    edge.replied(29, "cloud-1")
    edge.submit(100, "cloud-2", 84, trace_id=OTHER)
    edge.submit(101, "cloud-3", 84, trace_id=OTHER)
    found = edge.explain(TRACE)
    assert found.as_object()["task_id"] == "cloud-1"
    assert f"trace {TRACE}" in found.text()
    assert edge.explain("cloud-1").as_object()["trace_id"] == TRACE
    with pytest.raises(UserError, match="2 tasks belong to this trace: cloud-2, cloud-3"):
        edge.explain(OTHER)
    with pytest.raises(UserError, match="no edge log in these stores"):
        edge.explain("f" * 32)
