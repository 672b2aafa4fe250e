"""Query times of a log store with very many lines.

The lines are those of a real run, repeated under new task ids and later times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from mc_sched.bench.stats import median
from mc_sched.obs.console.page_query import width_s
from mc_sched.obs.log.event_log import read_log
from mc_sched.obs.store.query import Query, parse_where
from mc_sched.obs.store.stores import Stores, open_stores
from mc_sched.obs.store.writer import KEEP_ALL, StoreWriter

LINES_PER_TRANSACTION = 120
"""Lines that arrive in 50 ms at 200 tasks per second."""
GAP_NS = 3_600_000
"""Time between two lines; a million lines cover an hour."""
ROUNDS = 15
PAGE_LINES = 200
"""Lines on the console's first page."""
QUERIES = {
    "label": Query(terms=parse_where("site=cloud outcome=succeeded")),
    "level": Query(terms=parse_where("level=warning")),
    "latency": Query(terms=parse_where("outcome.latency_ns>5000000")),
    "number": Query(terms=parse_where("outcome.energy.compute_j>0.005")),
    "text": Query(terms=parse_where("outcome.codec=jpeg")),
    "pattern": Query(terms=parse_where("name=Finish"), patterns=(('"site":"(edge|cloud)"', True),)),
    "words": Query(words=("deadline",)),
    "words_and_label": Query(words=("succeeded",), terms=parse_where("site=edge")),
}


def fill(path: Path, log: Path, count: int, progress: Callable[[str], None]) -> float:
    """Write `count` lines to a new store; return the writer's mean time per line in us."""
    writer = StoreWriter(path, KEEP_ALL)
    lines, done, spent_s = _lines(log), 0, 0.0
    while done < count:
        batch = list(islice(lines, min(LINES_PER_TRANSACTION, count - done)))
        started_s = time.perf_counter()
        if not writer.append(batch):
            raise OSError(f"{path}: the disk is full")
        spent_s += time.perf_counter() - started_s
        done += len(batch)
        if done * 10 // count != (done - len(batch)) * 10 // count:
            progress(f"{done:,} of {count:,} lines stored")
    writer.close()
    return spent_s / count * 1e6


def _lines(log: Path) -> Iterator[bytes]:
    """Yield the log's lines endlessly, each time with later times and new task ids."""
    records = [record for record in read_log(log) if record["kind"] != "config"]
    at_ns, turn = time.time_ns() - 3600 * 10**9, 0
    while True:
        for record in records:
            at_ns += GAP_NS
            yield orjson.dumps(_repeated(record, at_ns, turn))
        turn += 1


def _repeated(record: dict[str, Any], at_ns: int, turn: int) -> dict[str, Any]:
    wall = datetime.fromtimestamp(at_ns / 1e9, timezone.utc).isoformat(timespec="microseconds")
    repeated = {**record, "wall": wall}
    if "task_id" in record:
        repeated["task_id"] = f"{record['task_id']}/{turn}"
    return repeated


def measure_queries(path: Path) -> dict[str, float]:
    """Return the median milliseconds of each query, for its newest lines and its histogram."""
    with open_stores([path]) as stores:
        width = width_s(Query(*(stores.span() or (0, 0))), 80)
        return {
            name: median([_query_ms(stores, query, width) for _ in range(ROUNDS)])
            for name, query in QUERIES.items()
        }


def _query_ms(stores: Stores, query: Query, width: int) -> float:
    started_s = time.perf_counter()
    stores.lines(query, PAGE_LINES)
    stores.estimated_volume(query, width)
    return (time.perf_counter() - started_s) * 1e3


def measure_first_page_ms(path: Path) -> float:
    """Return the median milliseconds of all requests of the console's first page, over HTTP."""
    from urllib.request import urlopen

    from mc_sched.obs.routes import agent_routes
    from mc_sched.obs.web.server import WebServer

    server = WebServer("127.0.0.1:0", agent_routes("edge", path))
    server.start()
    samples = []
    for _ in range(ROUNDS):
        started_s = time.perf_counter()
        for path_ in ("", "api/about", f"api/lines?limit={PAGE_LINES}", "api/volume", "api/labels"):
            with urlopen(f"http://127.0.0.1:{server.port}/{path_}", timeout=30) as answer:
                answer.read()
        samples.append((time.perf_counter() - started_s) * 1e3)
    server.close()
    return median(samples)
