"""Records and stores for tests."""

from datetime import datetime, timezone

import orjson

from mc_sched.obs.store.reader import StoreReader
from mc_sched.obs.store.stores import Stores
from mc_sched.obs.store.writer import Limits, StoreWriter

START_S = 1_800_000_000
"""Time of the first line of a test, in seconds since 1970."""


def line(at_s=0.0, name="note", level="info", node="edge", kind="note", task="", **data):
    """Return a line of a log, `at_s` after START_S."""
    wall = datetime.fromtimestamp(START_S + at_s, timezone.utc).isoformat(timespec="microseconds")
    record = {"t_ns": int(at_s * 1e9), "wall": wall, "node": node, "level": level, "kind": kind,
              "name": name, **({"task_id": task} if task else {}), "data": data}  # fmt: skip
    return orjson.dumps(record)


def finish(at_s, task, outcome="succeeded", site="edge", exit_="local", **fields):
    """Return the line of an outcome."""
    level = {"succeeded": "info", "failed": "error"}.get(outcome, "warning")
    result = {"task_id": task, "kind": outcome, "site": site, "exit": exit_, **fields}
    return line(at_s, "Finish", level, kind="action", task=task, outcome=result)


def stores_of(*lines, path=":memory:", limits=None):
    """Return a store that holds these lines."""
    writer = StoreWriter(path, limits or Limits())
    assert writer.append(lines)
    return Stores([StoreReader(writer.connection)])


def bodies(found):
    """Return the names and data of lines."""
    return [(one.record["name"], one.record["data"]) for one in found]
