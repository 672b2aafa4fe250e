"""The log store: lines are found by time, label, task, field and word."""

import itertools
import json
import sqlite3
import threading
import time

import orjson
import pytest

from mc_sched.errors import UserError
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.store.line import index
from mc_sched.obs.store.query import Query, Term, at_least, of_task, parse_where
from mc_sched.obs.store.reader import StoreReader
from mc_sched.obs.store.schema import open_to_read
from mc_sched.obs.store.stores import Stores, open_stores
from mc_sched.obs.store.writer import KEPT, PRUNE_EVERY_LINES, Limits, StoreWriter
from tests.obs.stored import START_S, bodies, finish, line, stores_of


def numbers(found):
    return [one.record["data"]["n"] for one in found]


def where(text):
    return Query(terms=parse_where(text))


# --- time -------------------------------------------------------------------------------------


def test_lines_come_newest_first_or_oldest_first():
    stores = stores_of(*(line(n, n=n) for n in range(5)))
    assert numbers(stores.lines(Query(), 3)) == [4, 3, 2]
    assert numbers(stores.lines(Query(), 3, newest_first=False)) == [0, 1, 2]


def test_a_range_holds_its_beginning_and_not_its_end():
    stores = stores_of(*(line(n, n=n) for n in range(5)))
    second_ns = 10**9
    found = stores.lines(Query((START_S + 1) * second_ns, (START_S + 3) * second_ns), 9)
    assert numbers(found) == [2, 1]


def test_lines_of_one_moment_keep_their_order():
    stores = stores_of(*(line(1, n=n) for n in range(50)))
    assert numbers(stores.lines(Query(), 99, newest_first=False)) == list(range(50))


def test_no_line_is_lost_when_a_clock_is_set_back(tmp_path):
    """If an hour comes twice, its lines are interleaved."""
    writer = StoreWriter(tmp_path / "s.db")
    for n in range(3):
        assert writer.append([line(at, n=(n, at)) for at in range(20)])
    found = numbers(Stores([StoreReader(writer.connection)]).lines(Query(), 99))
    assert sorted(map(tuple, found)) == [(n, at) for n in range(3) for at in range(20)]
    writer.close()


def test_a_line_is_shown_between_its_neighbours():
    stores = stores_of(*(line(n, n=n) for n in range(9)))
    middle = stores.lines(Query(), 5)[4]
    assert numbers(stores.around(middle.id, 2)) == [2, 3, 4, 5, 6]


# --- conditions -------------------------------------------------------------------------------


@pytest.fixture
def mixed():
    return stores_of(
        finish(0, "a-1", latency_ns=20_000_000, reason=""),
        finish(1, "a-2", "late", "cloud", "exit2", latency_ns=90_000_000, reason="no result"),
        finish(2, "a-3", "late", "", "", latency_ns=84_000_000, reason="no result"),
        line(3, "CloudGone", "warning", reason="the cable is cut, said 7071"),
        line(4, "Accept", node="cloud", task="robot/a-2", exit="exit2"),
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("outcome=late", ["a-3", "a-2"]),
        ("site=cloud outcome=late", ["a-2"]),
        ("outcome!=late name=Finish", ["a-1"]),
        ("outcome.latency_ns>84000000", ["a-2"]),
        ("outcome.latency_ns>=84000000", ["a-3", "a-2"]),
        ("outcome.reason='no result' site!=cloud", ["a-3"]),
        ("outcome.latency_ns<84000000 outcome.latency_ns>0", ["a-1"]),
        ("outcome.latency_ns>1 task=a-2", ["a-2"]),
        ("outcome.latency_ns=90000000", ["a-2"]),
        ("outcome.latency_ns!=90000000 name=Finish", ["a-3", "a-1"]),
        ("outcome.reason>5", []),
        ("outcome.reason<5", []),
        ("task=a-1", ["a-1"]),
        ("task!=a-1 name=Finish", ["a-3", "a-2"]),
        ("node=cloud", ["robot/a-2"]),
        ("site=moon", []),
        ("outcome.latency_ns<1", []),
    ],
)
def test_conditions_on_fields(mixed, text, found):
    query = where(text)
    assert [one.record.get("task_id") for one in mixed.lines(query, 9)] == found
    assert sum(count for _, _, count in mixed.counts(query, 1, ["level"])) == len(found)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("cable",), ["CloudGone"]),
        (("CABLE",), ["CloudGone"]),
        (("cab*",), ["CloudGone"]),
        (("cab",), []),
        (("cable", "cut"), ["CloudGone"]),
        (("cable", "late"), []),
        (("no", "result"), ["Finish", "Finish"]),
        (("no result",), ["Finish", "Finish"]),
        (("result no",), []),
        (("a-2",), ["Accept", "Finish"]),
        (("robot_1",), []),
        (("robot_*",), []),
    ],
)
def test_words(mixed, words, found):
    query = Query(words=words)
    assert [one.record["name"] for one in mixed.lines(query, 9)] == found
    assert sum(count for _, _, count in mixed.counts(query, 1, ["name"])) == len(found)


@pytest.mark.parametrize("shown", ["7", "7.0", "7.00", "70e-1"])
def test_a_number_matches_in_every_notation(shown):
    """A browser shows 7.0 as 7 and filters for the value as shown."""
    stores = stores_of(line(0, n=7.0), line(1, n=7), line(2, n=8), line(3, n="7x"))
    assert len(stores.lines(where(f"n={shown}"), 9)) == 2
    assert len(stores.lines(where(f"n!={shown}"), 9)) == 2


def test_a_small_number_matches_as_browsers_write_it():
    stores = stores_of(line(0, n=0.000015))
    assert len(stores.lines(where("n=0.000015"), 9)) == 1
    assert len(stores.lines(where("n=1.5e-05"), 9)) == 1


def test_a_word_with_an_underscore_is_found():
    stores = stores_of(line(0, text="see exit_1"), line(1, text="exit 1"), line(2, text="exitX1"))
    assert len(stores.lines(Query(words=("exit_1",)), 9)) == 1


def test_phrases_match_literally(mixed):
    assert len(mixed.lines(Query(phrases=('"reason":"no res',)), 9)) == 2
    assert mixed.lines(Query(phrases=("No res",)), 9) == []
    assert len(mixed.lines(Query(without=("no res",)), 9)) == 3


def test_a_level_includes_the_more_severe_ones():
    levels = ("critical", "error", "warning", "info", "debug")
    stores = stores_of(*(line(n, level=level, n=n) for n, level in enumerate(levels)))
    assert numbers(stores.lines(Query(terms=at_least("warning")), 9)) == [2, 1, 0]


@pytest.mark.parametrize("rare", ["quiet", "loud"])
def test_rare_and_common_labels_are_both_found(rare):
    lines = [line(n, "quiet" if n == 70 else "loud", n=n) for n in range(200)]
    found = numbers(stores_of(*lines).lines(where(f"name={rare}"), 3))
    assert found == ([70] if rare == "quiet" else [199, 198, 197])


@pytest.mark.parametrize(
    "text",
    ["late", "=late", "site='cloud", "a b=c", "si te=x", "a..b=c", ".a=c", "n>many", "n<", "n>nan"],
)
def test_an_invalid_condition_is_an_error(text):
    with pytest.raises(UserError, match=r"condition|quotation|only numbers") as raised:
        parse_where(text)
    assert raised.value.exit_code == 2


# --- figures ----------------------------------------------------------------------------------


def test_the_volume_is_counted_by_level_and_bar(mixed):
    assert mixed.volume(Query(), 5) == {START_S: {"info": 2, "warning": 3}}
    assert list(mixed.volume(Query(), 1)) == [START_S + n for n in range(5)]


@pytest.mark.parametrize(("since", "until"), [(0.5, 2.5), (0.25, 0.75), (1, 3), (2.9, 9.9), (0, 0)])
def test_a_volume_counts_what_is_in_the_range_to_the_nanosecond(since, until):
    moments = [n / 4 for n in range(40)]
    stores = stores_of(*(line(at, n=at) for at in moments))
    query = Query(*(START_S * 10**9 + int(at * 1e9) for at in (since, until)))
    counted = sum(n for levels in stores.volume(query, 1).values() for n in levels.values())
    assert counted == sum(since <= at < until for at in moments)
    assert counted == len(stores.lines(query, 99))


def test_statistics_and_values_of_a_field(mixed):
    assert mixed.statistics("outcome.reason", where("name=Finish")) == {"no result": 2, "": 1}
    assert mixed.statistics("task", Query())["a-2"] == 1
    odd = stores_of(line(0, flag=True, many=[1, "a"]), line(1, flag=None))
    assert odd.statistics("flag", Query()) == {"true": 1}
    assert odd.statistics("many", Query()) == {'[1,"a"]': 1}
    assert stores_of(line(0)).statistics("site", Query()) == {}
    assert mixed.label_values("level") == ["warning", "info"]
    assert mixed.label_values("site") == ["cloud", "edge"]
    assert mixed.label_values("reason") == []
    with pytest.raises(ValueError, match="not a label"):
        mixed.counts(Query(), 1, ["task"])


def test_the_stores_of_two_agents_answer_as_one(tmp_path):
    edge = stores_of(line(1, n=1), line(3, n=3), path=tmp_path / "edge.db")
    cloud = stores_of(line(2, n=2), line(4, n=4), path=tmp_path / "cloud.db")
    with open_stores([tmp_path / "edge.db", tmp_path / "cloud.db"]) as both:
        assert numbers(both.lines(Query(), 3)) == [4, 3, 2]
        assert numbers(both.each(Query())) == [1, 2, 3, 4]
        assert both.volume(Query(), 10) == {START_S: {"info": 4}}
        assert both.size()[0] == 4
    edge.close()
    cloud.close()


# --- hostile content --------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", "\x1b[2J\x00\x07\r\n", "x" * 8_000, "'; DROP TABLE lines; --",
    '"quoted" \\ and %_%', "\u202e\U0001f980", '" OR words MATCH "a', "*", "-", "a\"b'c",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_stored_and_found_unchanged(text):
    stores = stores_of(line(1, reason=text, task=text[:100]), line(2, reason="other"))
    for query in (
        Query(terms=(Term("reason", "=", text),)),
        of_task(text[:100]),
        Query(words=(text,)) if text not in "*-" else Query(terms=(Term("reason", "=", text),)),
    ):
        (found,) = stores.lines(query, 9)
        assert found.record["data"]["reason"] == text
    assert stores.lines(Query(terms=(Term("name", "=", text),)), 9) == []


def test_a_line_of_a_megabyte_is_kept_and_found():
    text = "long " * 200_000
    stores = stores_of(line(1, reason=text), line(2, reason="other"))
    for query in (Query(words=("long",)), Query(phrases=("ng lo",)), where("reason!=other")):
        (found,) = stores.lines(query, 9)
        assert found.record["data"]["reason"] == text


@pytest.mark.parametrize(
    "raw",
    [b'{"wall":"2999-01-01T00:00:00","node":"a","level":"info","kind":"b","name":"c"}',
     b"", b"\xff\xfe not utf-8", b"{", b"[]", b"3", b'{"wall": 3}', b'{"wall":"x","level":[]}',
     b'{"wall":"2027-01-01T00:00:00","node":"a","level":"odd","kind":"b","name":"c","data":7}'],
)  # fmt: skip
def test_a_line_that_is_not_a_record_is_stored_as_text(raw):
    stores = stores_of(raw, line(1, n=1))
    (odd,) = stores.lines(where("level=unknown"), 9)
    assert json.loads(odd.body)["level"] in ("unknown", "odd")
    assert len(stores.lines(Query(), 9)) == 2


def test_times_are_indexed_to_the_microsecond():
    assert index(line(0.123456), 0).wall_ns == START_S * 10**9 + 123_456_000


# --- limits -----------------------------------------------------------------------------------


def filled(writer, count, start=0):
    for first in range(start, start + count, 500):
        assert writer.append(
            [line(n / 100, n=n, text="x" * 300) for n in range(first, first + 500)]
        )


def test_the_oldest_lines_are_deleted_when_the_store_is_full(tmp_path):
    limit = 2_000_000
    writer = StoreWriter(tmp_path / "s.db", Limits(max_bytes=limit))
    assert writer.append([line(0, name, n=-1, kind="config") for name in KEPT])
    filled(writer, 5 * PRUNE_EVERY_LINES)
    stores = Stores([StoreReader(writer.connection)])
    lines, size = stores.size()
    assert 500 < lines < 5 * PRUNE_EVERY_LINES - PRUNE_EVERY_LINES
    assert size < 2 * limit
    found = list(stores.each(Query()))
    assert len(found) == lines == sum(c for _, _, c in stores.counts(Query(), 10, ["level"]))
    assert [one.record["name"] for one in found[:2]] == list(KEPT)
    assert numbers(found[2:]) == list(range(5 * PRUNE_EVERY_LINES))[-(lines - 2) :]
    assert len(stores.lines(Query(words=("xx*",)), 99_999)) == lines - 2
    writer.close()


def of_worker(number, text):
    """A line with the number of a worker."""
    return orjson.dumps({**orjson.loads(text), "worker": number})


def test_lines_are_found_by_the_worker_that_wrote_them():
    stores = stores_of(line(0, n=0), *(of_worker(n % 2, line(n + 1, n=n + 1)) for n in range(4)))
    assert numbers(stores.lines(where("worker=0"), 9)) == [3, 1]
    assert numbers(stores.lines(where("worker!=0"), 9)) == [4, 2, 0]
    assert stores.label_values("worker") == ["0", "1"]


def test_the_last_config_of_each_worker_is_never_deleted(tmp_path):
    writer = StoreWriter(tmp_path / "s.db", Limits(max_bytes=1_000_000))
    lines = [of_worker(number, line(0, "config", n=-1, kind="config")) for number in range(3)]
    assert writer.append(lines)
    filled(writer, 4 * PRUNE_EVERY_LINES)
    stores = Stores([StoreReader(writer.connection)])
    kept = [one.record["worker"] for one in stores.each(where("name=config"))]
    assert kept == [0, 1, 2]
    writer.close()


def test_lines_that_are_too_old_are_deleted(tmp_path, monkeypatch):
    now = itertools.count((START_S + 200) * 10**9, 10**9)
    monkeypatch.setattr(time, "time_ns", lambda: next(now))
    writer = StoreWriter(tmp_path / "s.db", Limits(max_age_ns=150 * 10**9))
    filled(writer, 4 * PRUNE_EVERY_LINES)
    oldest = next(Stores([StoreReader(writer.connection)]).each(Query()))
    assert (START_S + 45) * 10**9 < oldest.id < (START_S + 75) * 10**9
    writer.close()


# --- beside a daemon --------------------------------------------------------------------------


def test_an_event_log_fills_the_store_while_others_read_it(tmp_path):
    path = tmp_path / "edge.db"
    log = EventLog(None, "edge", store=StoreWriter(path))
    log.write(1, "note", {"text": "first"})
    due = time.monotonic() + 5
    with open_stores([path]) as stores:
        while not stores.lines(Query(words=("first",)), 1):
            assert time.monotonic() < due
            time.sleep(0.01)
        log.write(2, "note", {"text": "second", "task_id": "t"})
        log.close()
        assert bodies(stores.lines(of_task("t"), 9)) == [
            ("note", {"text": "second", "task_id": "t"})
        ]
    assert log.dropped == 0


class Stuck:
    """A store on a disk that does not respond."""

    def __init__(self):
        self.let_go, self.lines = threading.Event(), 0

    def append(self, lines):
        self.let_go.wait(10)
        self.lines += len(lines)
        return True

    def close(self):
        pass


def test_a_hanging_store_drops_lines_and_never_delays_a_task():
    stuck = Stuck()
    log = EventLog(None, "edge", max_queue=100, store=stuck)
    started = time.monotonic()
    for n in range(1000):
        log.write(n, "note", {"n": n})
    took_s = time.monotonic() - started
    stuck.let_go.set()
    log.close()
    assert took_s < 5
    assert log.dropped == 1000 - stuck.lines > 0


def test_a_full_disk_is_counted_and_the_next_lines_go_in(tmp_path):
    writer = StoreWriter(tmp_path / "s.db")
    pages = writer.connection.execute("PRAGMA page_count").fetchone()[0]
    writer.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    assert not writer.append([line(n, text="y" * 900) for n in range(200)])
    writer.connection.execute("PRAGMA max_page_count = 100000")
    assert writer.append([line(300, n=7)])
    assert numbers(Stores([StoreReader(writer.connection)]).lines(Query(), 9)) == [7]
    writer.close()


def test_a_file_that_is_not_a_store_is_an_error(tmp_path):
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(UserError, match="not a log store of this version"):
        open_stores([other])
    with pytest.raises(UserError, match="cannot be read"):
        open_stores([tmp_path / "missing.db"])
    with pytest.raises(FileNotFoundError):
        open_to_read(tmp_path / "missing.db")


def test_a_log_of_json_lines_can_be_queried(tmp_path):
    path = tmp_path / "edge.jsonl"
    long_ago_s = -2 * 365 * 86_400
    path.write_bytes(line(long_ago_s, n=1) + b"\n" + line(2, n=2) + b"\n{cut")
    with open_stores([path]) as stores:
        assert len(stores.lines(Query(), 9)) == 3
        assert numbers(stores.lines(where("level=info"), 9)) == [2, 1]
