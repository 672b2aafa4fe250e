"""Limits on the cost of queries, and following a store."""

import itertools
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from mc_sched.errors import UserError
from mc_sched.obs.store import counting, query_connection
from mc_sched.obs.store.bounds import Bounds, End
from mc_sched.obs.store.follow import Follower, so_far
from mc_sched.obs.store.live import follow_store, stored_lines
from mc_sched.obs.store.query import LONGEST_TEXT, MOST_TERMS, Query, Term, of_task, parse_where
from mc_sched.obs.store.reader import StoreReader
from mc_sched.obs.store.stores import Stores, open_stores
from mc_sched.obs.store.windows import windows
from mc_sched.obs.store.writer import StoreWriter
from tests.obs.stored import START_S, line, stores_of


def numbers(found):
    return [one.record["data"]["n"] for one in found]


# --- bounds -----------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path):
    """Nine lines of 1 MB."""
    path = tmp_path / "large.db"
    stores_of(*(line(n, n=n, text="x" * 1_000_000) for n in range(9)), path=path).close()
    return path


def test_an_answer_is_cut_to_its_limit_and_every_line_follows_in_a_later_page(large):
    with open_stores([large], Bounds(page_bytes=3_500_000)) as stores:
        assert numbers(stores.lines(Query(), 99)) == [8, 7, 6]
        assert numbers(stores.lines(Query(), 99, newest_first=False)) == [0, 1, 2]
        assert numbers(stores.each(Query())) == list(range(9))
    with open_stores([large], Bounds(page_bytes=10)) as stores:
        assert numbers(stores.each(Query())) == list(range(9))


def test_a_cut_answer_of_two_stores_leaves_no_line_out(large, tmp_path):
    other = tmp_path / "small.db"
    stores_of(*(line(n + 0.5, n=n + 0.5) for n in range(9)), path=other).close()
    with open_stores([large, other], Bounds(page_bytes=2_500_000)) as stores:
        assert numbers(stores.lines(Query(), 99)) == [8.5, 8, 7.5, 7, 6.5]


def test_a_slow_query_is_interrupted_and_the_next_is_answered(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    stores_of(*(line(n / 1000, n=n) for n in range(3000)), path=path).close()
    monkeypatch.setattr(query_connection, "CHECK_EVERY_OPS", 100)
    with open_stores([path], Bounds(patience_s=-1.0)) as stores:
        with pytest.raises(UserError, match="choose a shorter time"):
            stores.lines(Query(phrases=("no such thing",)), 9)
        with pytest.raises(UserError, match="choose a shorter time"):
            stores.counts(Query(phrases=("no such thing",)), 1, ["level"])
    with open_stores([path], Bounds(patience_s=60.0)) as stores:
        assert stores.lines(Query(phrases=("no such thing",)), 9) == []


@pytest.mark.parametrize(
    "query",
    [
        {"words": ("a b" * LONGEST_TEXT,)},
        {"terms": (Term("reason", "=", "x" * (LONGEST_TEXT + 1)),)},
        {"terms": (Term("reason", "=", "x"),) * (MOST_TERMS + 1)},
        {"phrases": ("x",) * (MOST_TERMS + 1)},
    ],
)
def test_a_query_that_is_too_long_is_an_error(query):
    with pytest.raises(UserError, match="at most"):
        Query(**query)


def test_the_longest_query_is_answered():
    """SQLite's own limits must be above those of the store."""
    stores = stores_of(line(1, n=1))
    for query in (
        Query(words=("\x01 " * (LONGEST_TEXT // 2),)),
        Query(words=("%_" * (LONGEST_TEXT // 2),)),
        Query(words=("a-b",) * MOST_TERMS),
        Query(terms=(Term("n.m", "=", "x"),) * MOST_TERMS),
        Query(terms=(Term("node", "!=", "x"),) * MOST_TERMS),
    ):
        stores.lines(query, 9)
        stores.counts(query, 1, ["level"])


# --- following --------------------------------------------------------------------------------


def test_a_follower_misses_no_line_of_the_agent_that_writes_later(tmp_path):
    """The cloud's lines are stored after younger lines of the edge."""
    paths = [tmp_path / "edge.db", tmp_path / "cloud.db"]
    edge, cloud = map(StoreWriter, paths)
    edge.append([line(0, n=0)])
    with open_stores(paths) as stores:
        lines, follower = so_far(stores, Query(), 9)
        assert numbers(lines) == [0]
        edge.append([line(5, n=5)])
        assert numbers(follower.new(stores)) == [5]
        cloud.append([line(3, n=3), line(6, n=6)])
        assert numbers(follower.new(stores)) == [3, 6]
        assert follower.new(stores) == []
    edge.close()
    cloud.close()


def test_a_line_written_while_the_first_lines_are_read_is_returned_once(tmp_path, monkeypatch):
    path = tmp_path / "edge.db"
    writer = StoreWriter(path)
    writer.append([line(0, n=0)])
    with open_stores([path]) as stores:
        read = stores.lines

        def beside_a_writer(*args, **options):
            writer.append([line(1, n=1)])
            found = read(*args, **options)
            writer.append([line(2, n=2)])
            return found

        monkeypatch.setattr(stores, "lines", beside_a_writer)
        lines, follower = so_far(stores, Query(), 9)
        assert numbers(lines) + numbers(follower.new(stores)) == [0, 1, 2]
    writer.close()


def test_a_follower_takes_full_pages_until_it_is_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("mc_sched.obs.store.follow.PAGE_LINES", 4)
    stores = stores_of(*(line(n, n=n) for n in range(10)))
    follower = Follower(Query(), (End(START_S * 10**9 + 1),))
    assert [len(follower.new(stores)) for _ in range(4)] == [4, 4, 1, 0]


def test_a_follower_returns_lines_of_a_clock_that_was_set_back(tmp_path):
    """The clock goes back by an hour, into stored lines; each line is returned once."""
    writer, query = StoreWriter(tmp_path / "s.db"), Query(since_ns=(START_S + 3590) * 10**9)
    writer.append([line(at, n=at) for at in range(3600)])
    stores = Stores([StoreReader(writer.connection)])
    lines, follower = so_far(stores, query, 3)
    assert numbers(lines) == [3597, 3598, 3599]
    writer.append([line(3600, n="on time"), line(10, n="back"), line(11, n="again")])
    assert numbers(follower.new(stores)) == ["back", "again", "on time"]
    writer.append([line(12, n="still back"), line(3601, n="set right")])
    assert numbers(follower.new(stores)) == ["still back", "set right"]
    assert follower.new(stores) == []
    fresh = Follower(Query(terms=parse_where("name=fresh")), stores.ends())
    assert fresh.new(stores) == []  # no stream of that name yet
    writer.append([line(20, "fresh", n="first")])
    assert numbers(fresh.new(stores)) == ["first"]
    writer.close()


def test_many_lines_of_a_clock_that_was_set_back_come_a_page_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("mc_sched.obs.store.follow.PAGE_LINES", 4)
    writer = StoreWriter(tmp_path / "s.db")
    writer.append([line(3600, n=-1)])
    stores = Stores([StoreReader(writer.connection)])
    follower = Follower(Query(), stores.ends())
    writer.append([line(at, n=at) for at in range(10)])
    writer.close()
    writer = StoreWriter(tmp_path / "s.db")  # numbers continue after a restart
    writer.append([line(20, n=10)])
    stores = Stores([StoreReader(writer.connection)])
    pages = [numbers(follower.new(stores)) for _ in range(4)]
    assert pages == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10], []]
    writer.close()


async def test_an_agent_returns_very_many_lines_a_page_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("mc_sched.obs.store.live.PAGE_LINES", 7)
    path = tmp_path / "edge.db"
    stores_of(*(line(n, n=n) for n in range(50)), path=path).close()
    assert numbers([one async for one in stored_lines(path, Query(), 30)]) == list(range(20, 50))
    assert numbers([one async for one in stored_lines(path, Query(), 99)]) == list(range(50))
    found = Query(terms=parse_where("n<10"))
    assert numbers([one async for one in stored_lines(path, found, 3)]) == [7, 8, 9]
    tail = follow_store(path, Query(), 2)
    assert numbers([await anext(tail), await anext(tail)]) == [48, 49]
    await tail.aclose()


# --- another version --------------------------------------------------------------------------


def test_a_store_of_another_version_is_renamed(tmp_path):
    path = tmp_path / "edge.db"
    stores_of(line(1, n=1), path=path).close()
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA user_version = 1")
    with pytest.raises(UserError, match="it has format 1"):
        open_stores([path])
    writer = StoreWriter(path)
    assert writer.append([line(2, n=2)])
    writer.close()
    with open_stores([path]) as stores:
        assert numbers(stores.each(Query())) == [2]
    with closing(sqlite3.connect(f"{path}.v1")) as old:
        assert old.execute("SELECT count(*) FROM lines").fetchone() == (1,)


def test_the_write_ahead_log_is_renamed_with_its_store(tmp_path):
    """A reader prevents its removal, and the new store would take it for its own."""
    path = tmp_path / "edge.db"
    writer = StoreWriter(path)
    writer.append([line(1, n=1)])
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA user_version = 1")
        with closing(sqlite3.connect(path)) as looking:
            looking.execute("SELECT count(*) FROM lines").fetchone()
            writer.close()
            old.execute("SELECT 1").fetchone()
            new = StoreWriter(path)
            assert new.append([line(2, n=2)])
            new.close()
    with open_stores([path]) as stores:
        assert numbers(stores.each(Query())) == [2]
        assert stores.lines(replace(of_task("x")), 1) == []


# --- estimates --------------------------------------------------------------------------------


def totals(bars):
    return sum(n for levels in bars.values() for n in levels.values())


@pytest.fixture(scope="module")
def many():
    """A log of 9,000 lines at even intervals: every third has a number, every ninth is large."""
    found = []
    for n in range(9_000):
        name, size = ("sized", {"size": n % 3 * 50}) if n % 3 else ("plain", {})
        found.append(line(n * 0.0036, name, n=n, text=f"a bell {n % 2}", **size))
    return stores_of(*found)


DENSE = {
    "number": Query(terms=parse_where("size>50")),
    "text": Query(phrases=('bell 1"',)),
    "pattern": Query(terms=parse_where("name=sized"), patterns=(("bell [1]", True),)),
    "word": Query(words=("bell",)),
    "word and more": Query(words=("bell",), terms=parse_where("name=sized n<4500")),
}


@pytest.mark.parametrize("name", DENSE)
def test_many_candidates_are_estimated_from_an_even_share(many, monkeypatch, name):
    monkeypatch.setattr(counting, "SAMPLED_LINES", 1_500)
    exact = many.volume(DENSE[name], 5)
    bars, share = many.estimated_volume(DENSE[name], 5)
    assert 0.1 < share < 0.6
    assert totals(bars) == pytest.approx(totals(exact), rel=0.2)
    assert set(bars) == set(exact)
    for start, levels in exact.items():
        assert bars[start]["info"] == pytest.approx(levels["info"], rel=0.5, abs=20)
    assert many.estimated_volume(DENSE[name], 5) == (bars, share)


@pytest.mark.parametrize("query", [
    Query(), Query(terms=parse_where("name=plain")), Query(words=('"',)),
    Query(terms=parse_where("n>8990")), Query(words=("bell",), terms=parse_where("n=7")),
    Query(terms=parse_where("task=t")), Query(terms=parse_where("nothing=1")),
])  # fmt: skip
def test_fast_and_rare_queries_are_counted(many, monkeypatch, query):
    monkeypatch.setattr(counting, "SAMPLED_LINES", 1_500)
    assert many.estimated_volume(query, 5) == (many.volume(query, 5), 1.0)


def test_few_lines_are_counted(many):
    assert many.estimated_volume(DENSE["number"], 5) == (many.volume(DENSE["number"], 5), 1.0)


def test_pages_do_not_depend_on_the_order_of_the_parts(many):
    for query in DENSE.values():
        newest = [one.id for one in many.lines(query, 10_000)]
        oldest = [one.id for one in many.lines(query, 10_000, newest_first=False)]
        assert newest == oldest[::-1]
        assert len(newest) == totals(many.volume(query, 5))
        assert [one.id for one in many.lines(query, 7)] == newest[:7]
        assert many.start_ns(query, 7) == newest[6]
        within = replace(query, since_ns=newest[40], until_ns=newest[20])
        assert [one.id for one in many.lines(within, 99)] == newest[21:41]


def test_parts_of_a_range_cover_it_once():
    for newest_first in (True, False):
        parts = list(windows(Query(5, 10**12), (7, 10**11), newest_first))
        ordered = sorted(parts, key=lambda part: part.since_ns)
        assert parts == (ordered[::-1] if newest_first else ordered)
        assert (ordered[0].since_ns, ordered[-1].until_ns) == (7, 10**11 + 1)
        assert all(a.until_ns == b.since_ns for a, b in itertools.pairwise(ordered))
        assert len(parts) < 10
    assert list(windows(Query(5, 6), (7, 9), True)) == []
