"""The event log: each event and action is written as a line and can be read back."""

import io
import json
import threading
import time
import types
import warnings
from datetime import datetime
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import LocalTable
from mc_sched.core.task import Outcome, OutcomeKind, Task
from mc_sched.obs.log import event_log, log_file
from mc_sched.obs.log.event_log import CLASSES, EventLog, from_json, read_log, to_json
from tests.obs import arbitrary

TASK = Task("t1", "s", 5, 84_000_000, payload_bytes={"jpeg": 12_000})
JOIN_S = 5


def through_text(data):
    return json.loads(json.dumps(data))


def written(path, *values, kind="event", **options):
    """Write values to a log and return its records."""
    log = EventLog(path, "edge", **options)
    for number, value in enumerate(values):
        log.write(number, kind, value)
    log.close()
    return list(read_log(path))


# --- values -----------------------------------------------------------------------------------


def test_every_event_and_action_has_its_name():
    known = {*get_args(ev.EdgeEvent), *get_args(ev.CloudEvent)}
    known |= {*get_args(do.EdgeAction), *get_args(do.CloudAction)}
    assert set(CLASSES.values()) == known
    assert all(cls.__name__ == name for name, cls in CLASSES.items())


@pytest.mark.parametrize("name", sorted(CLASSES))
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_an_event_or_action_is_read_back_unchanged(name, data):
    value = data.draw(arbitrary.of(CLASSES[name]))
    again = from_json(name, through_text(to_json(value)))
    assert again == value
    assert type(again) is type(value)


def test_an_unknown_name_and_bad_data_raise_different_errors():
    with pytest.raises(KeyError):
        from_json("Teleported", {})
    with pytest.raises(ValueError, match="task_id"):
        from_json("StartLocal", {})
    with pytest.raises(ValueError, match="kind"):
        from_json("TimerFired", {"now_ns": 1, "task_id": "t", "kind": "lunch"})


def test_text_that_is_not_valid_utf8_drops_only_its_line(tmp_path):
    log = EventLog(tmp_path / "log", "edge")
    log.write(1, "note", {"text": "\udcff"})
    log.write(2, "note", {"text": "fine"})
    log.close()
    assert [record["data"]["text"] for record in read_log(tmp_path / "log")] == ["fine"]
    assert log.dropped == 1


# --- records ----------------------------------------------------------------------------------


def test_a_record_has_time_node_kind_and_name(tmp_path):
    (record,) = written(tmp_path / "log", ev.CloudGone(7, "cut"))
    wall = record.pop("wall")
    assert datetime.fromisoformat(wall).utcoffset().total_seconds() == 0
    assert record == {
        "t_ns": 0, "node": "edge", "level": "warning", "kind": "event", "name": "CloudGone",
        "data": {"now_ns": 7, "reason": "cut"},
    }  # fmt: skip


def test_a_note_is_a_mapping_with_its_level(tmp_path):
    log = EventLog(tmp_path / "log", "cloud")
    log.write(3, "note", {"error": "it broke", "task_id": "t9"}, "critical")
    log.close()
    (record,) = read_log(tmp_path / "log")
    assert (record["kind"], record["name"], record["level"]) == ("note", "note", "critical")
    assert (record["data"]["error"], record["task_id"]) == ("it broke", "t9")


def test_a_config_holds_settings_and_table(tmp_path):
    table = LocalTable("local", 0.8, (1, 2), (3, 4))
    (record,) = written(
        tmp_path / "log", {"settings": EdgeSettings(), "table": table}, kind="config"
    )
    assert "task_id" not in record
    assert record["data"]["settings"]["mode"] == "energy"
    assert record["data"]["table"]["layer_ns"] == [3, 4]


@pytest.mark.parametrize(
    ("value", "task_id"),
    [
        (ev.LocalStarted(0, "t1"), "t1"),
        (ev.Submitted(0, TASK), "t1"),
        (do.Finish(Outcome("t1", "s", OutcomeKind.LATE, 5)), "t1"),
        (do.SendGiveUp("t1"), "t1"),
        (do.RunHead(("edge/t1",), "exit2"), "edge/t1"),
        (ev.Drain(0), None),
        (ev.LinkSampled(0, 5, edge_id="e"), None),
        (do.RunStage(("e/t1", "e/t2"), 0), None),
    ],
)
def test_the_task_id_is_at_the_top_of_a_record(tmp_path, value, task_id):
    (record,) = written(tmp_path / "log", value)
    assert record.get("task_id") == task_id


@pytest.mark.parametrize("value", [do.RunStage(("e/t1",), 0), ev.StageDone(0, ("e/t1",), 0, 9)])
def test_a_stage_of_one_task_is_found_under_that_task(tmp_path, value):
    (record,) = written(tmp_path / "log", value)
    assert record.get("task_id") == "e/t1"


def test_records_keep_their_order(tmp_path):
    records = written(tmp_path / "log", *(ev.LinkSampled(i, i) for i in range(2500)))
    assert [record["data"]["rtt_ns"] for record in records] == list(range(2500))


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_fits_in_a_line(tmp_path_factory, reason):
    (record,) = written(tmp_path_factory.mktemp("log") / "log", ev.CloudGone(0, reason))
    assert record["data"]["reason"] == reason


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029"])
def test_unicodes_line_ends_do_not_end_a_record(tmp_path, mark):
    (record,) = written(tmp_path / "log", ev.CloudGone(0, f"a{mark}b"))
    assert record["data"]["reason"] == f"a{mark}b"


# --- files ------------------------------------------------------------------------------------


def test_folders_are_made_and_a_second_run_appends(tmp_path):
    path = tmp_path / "a" / "b" / "log"
    written(path, ev.Drain(1))
    assert [record["data"]["now_ns"] for record in written(path, ev.Drain(2))] == [1, 2]


def test_a_log_without_a_file_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = EventLog(None, "edge")
    log.write(0, "event", ev.Drain(0))
    log.close()
    assert list(tmp_path.iterdir()) == []
    assert log.dropped == 0


# --- several processes ------------------------------------------------------------------------


class Lines:
    """A sink that keeps its lines."""

    def __init__(self):
        self.lines = []

    def append(self, lines):
        self.lines += lines
        return True

    def close(self):
        self.closed = True


def test_a_worker_names_itself_in_each_record():
    sink = Lines()
    log = EventLog(None, "cloud", store=sink, worker=2)
    log.write(0, "event", ev.Drain(0))
    log.close()
    record = json.loads(sink.lines[0])
    assert (record["node"], record["worker"]) == ("cloud", 2)


def test_lines_of_another_process_are_written_as_they_are(tmp_path):
    lines = [b'{"n":1}', b'{"n":2}']
    log = EventLog(tmp_path / "log", "cloud")
    seen = []
    log.subscribe(seen.append)
    log.add_lines(lines)
    log.write(0, "event", ev.Drain(0))
    log.close()
    assert (tmp_path / "log").read_bytes().splitlines()[:2] == lines
    assert seen[:2] == [{"n": 1}, {"n": 2}]
    assert seen[2]["name"] == "Drain"


def test_lines_that_another_process_dropped_or_that_find_no_room_are_counted(tmp_path):
    log = EventLog(tmp_path / "log", "cloud", max_queue=3)
    log.add_lines([b"{}"] * 50, dropped=7)
    log.close()
    written_lines = len((tmp_path / "log").read_bytes().splitlines())
    assert written_lines >= 3
    assert log.dropped == 50 - written_lines + 7


def test_a_log_without_a_reader_says_so(tmp_path):
    nowhere, somewhere = EventLog(None, "cloud"), EventLog(tmp_path / "log", "cloud")
    assert (nowhere.has_readers, somewhere.has_readers) == (False, True)
    nowhere.add_lines([b"{}"], dropped=3)
    somewhere.close()
    nowhere.subscribe(lambda record: None)
    assert nowhere.has_readers


def test_a_log_can_be_closed_twice_and_writes_nothing_afterwards(tmp_path):
    log = EventLog(tmp_path / "log", "edge")
    log.write(0, "event", ev.Drain(0))
    log.close()
    log.close()
    log.write(1, "event", ev.Drain(1))
    assert len(list(read_log(tmp_path / "log"))) == 1


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    with pytest.raises(OSError, match="directory") as caught:
        EventLog(tmp_path, "edge")
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        EventLog(tmp_path / "file" / "log", "edge")


def test_a_missing_log_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(read_log(tmp_path / "nowhere"))


def test_an_empty_log_has_no_records(tmp_path):
    (tmp_path / "log").touch()
    assert list(read_log(tmp_path / "log")) == []


def test_an_incomplete_last_line_is_skipped_with_a_warning(tmp_path):
    path = tmp_path / "log"
    written(path, ev.Drain(1), ev.Drain(2))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="skipped line 2"):
        assert [record["data"]["now_ns"] for record in read_log(path)] == [1]


def test_a_complete_last_line_without_a_newline_counts(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"a":1}\n{"a":2}')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(read_log(path)) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("broken", ["{\n", "\n", "not JSON\n"])
def test_a_broken_line_elsewhere_is_an_error_with_its_number(tmp_path, broken):
    path = tmp_path / "log"
    path.write_text('{"a":1}\n' + broken + '{"a":3}\n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        list(read_log(path))


def test_a_complete_last_line_that_is_not_json_is_an_error(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"a":1}\n{"a"\n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        list(read_log(path))


def test_a_log_whose_daemon_was_killed_can_be_read_after_the_restart(tmp_path):
    path = tmp_path / "log"
    written(path, ev.Drain(1), ev.Drain(2))
    path.write_bytes(path.read_bytes()[:-20])
    assert [record["data"]["now_ns"] for record in written(path, ev.Drain(3))] == [1, 3]


# --- under pressure ---------------------------------------------------------------------------


class SlowDisk(io.BytesIO):
    """A file whose every write waits until `free` is set."""

    def __init__(self):
        super().__init__()
        self.free = threading.Event()

    def write(self, data):
        self.free.wait(JOIN_S)
        return super().write(data)

    def close(self):
        pass


@pytest.fixture
def disk(monkeypatch):
    """The fake file that the log writes to during the test."""
    slow = SlowDisk()
    monkeypatch.setattr(log_file, "open", lambda *_, **__: slow, raising=False)
    yield slow
    slow.free.set()


def test_a_slow_disk_drops_lines_and_never_delays_a_task(disk, tmp_path):
    """The disk blocks until all is written, so a write that waited for it would never return."""
    log = EventLog(tmp_path / "log", "edge", max_queue=10)
    for number in range(500):
        log.write(number, "event", ev.Drain(number))
    assert not disk.free.is_set()
    assert log.dropped >= 500 - 2 * 10  # ten in the writer's hand, ten that wait
    disk.free.set()
    log.close()
    lines = disk.getvalue().splitlines()
    assert len(lines) + log.dropped == 500
    assert json.loads(lines[0])["t_ns"] == 0


def test_a_queue_with_room_drops_nothing(disk, tmp_path):
    log = EventLog(tmp_path / "log", "edge", max_queue=500)
    for number in range(500):
        log.write(number, "event", ev.Drain(number))
    disk.free.set()
    log.close()
    assert log.dropped == 0
    assert len(disk.getvalue().splitlines()) == 500


def closes_in_time(log):
    closing = threading.Thread(target=log.close, daemon=True)
    closing.start()
    closing.join(JOIN_S)
    return not closing.is_alive()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_only_drops_lines(monkeypatch):
    died = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    log = EventLog("/dev/full", "edge")
    log.write(0, "event", ev.Drain(0))
    assert closes_in_time(log)
    assert log.dropped == 1
    assert died == []


class NarrowDisk(io.FileIO):
    """A file whose first write stores only half of the data."""

    whole = False

    def write(self, data):
        taken = len(data) if self.whole else len(data) // 2
        self.whole = True
        return super().write(data[:taken])


def test_half_a_line_on_a_full_disk_does_not_spoil_the_next(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setattr(log_file, "open", lambda *_, **__: NarrowDisk(path, "ab"), raising=False)
    log = EventLog(path, "edge")
    log.write(0, "event", ev.Drain(0))
    due = time.monotonic() + JOIN_S
    while not log.dropped and time.monotonic() < due:
        time.sleep(0.01)
    log.write(1, "event", ev.Drain(1))
    log.close()
    monkeypatch.undo()
    assert log.dropped == 1
    assert [record["t_ns"] for record in read_log(path)] == [1]


class Hesitation:
    """Events whose wait, after a timeout, returns only when the test allows it."""

    def __init__(self):
        self.made, self.timed_out, self.go_on = [], threading.Event(), threading.Event()

    def event(self):
        hesitation = self

        class Hesitant(threading.Event):
            def wait(self, timeout=None):
                found = super().wait(timeout)
                if timeout is not None and not found:
                    hesitation.timed_out.set()
                    hesitation.go_on.wait(JOIN_S)
                return found

        self.made.append(Hesitant())
        return self.made[-1]

    def all_set(self):
        """Return True if all events are set in time."""
        return all(threading.Event.wait(event, JOIN_S) for event in self.made)


def test_a_close_at_the_worst_moment_is_not_missed(tmp_path, monkeypatch):
    """The writer's wait has just timed out when the log is closed."""
    hesitation = Hesitation()
    events = types.SimpleNamespace(**{**vars(threading), "Event": hesitation.event})
    monkeypatch.setattr(event_log, "threading", events)
    log = EventLog(tmp_path / "log", "edge")
    log.write(0, "event", ev.Drain(0))
    hesitation.timed_out.wait(1)
    closing = threading.Thread(target=log.close, daemon=True)
    closing.start()
    assert hesitation.all_set()
    hesitation.go_on.set()
    closing.join(1)
    ended = not closing.is_alive()
    log.write(1, "event", ev.Drain(1))  # lets a writer that missed it go
    closing.join(JOIN_S)
    assert ended


# --- watchers ---------------------------------------------------------------------------------


def test_watchers_see_each_record_from_now_on_until_they_stop():
    log, seen = EventLog(None, "edge"), []
    log.write(0, "event", ev.Drain(0))
    stop = log.subscribe(seen.append)
    log.write(1, "event", ev.Submitted(1, TASK))
    stop()
    log.write(2, "event", ev.Drain(2))
    (record,) = seen
    assert (record["t_ns"], record["name"], record["task_id"]) == (1, "Submitted", "t1")
    assert from_json(record["name"], record["data"]) == ev.Submitted(1, TASK)


def test_a_watcher_sees_the_records_of_the_file(tmp_path):
    seen = []
    log = EventLog(tmp_path / "log", "edge")
    log.subscribe(seen.append)
    log.write(0, "event", ev.Submitted(1, TASK))
    log.close()
    assert list(read_log(tmp_path / "log")) == seen


def test_one_watcher_does_not_spoil_the_record_for_another():
    log, first, second = EventLog(None, "edge"), [], []
    log.subscribe(lambda record: (record.clear(), first.append(record)))
    log.subscribe(second.append)
    log.write(0, "event", ev.Drain(0))
    assert first == [{}]
    assert second[0]["name"] == "Drain"


def test_a_watcher_may_unsubscribe_while_it_is_called():
    log, seen = EventLog(None, "edge"), []
    stops = []

    def once(record):
        seen.append(record["t_ns"])
        stops[0]()

    stops.append(log.subscribe(once))
    log.write(0, "event", ev.Drain(0))
    log.write(1, "event", ev.Drain(1))
    assert seen == [0]
