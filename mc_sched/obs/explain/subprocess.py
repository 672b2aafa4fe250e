"""Builds an explanation in a process of its own, so that it does not delay an agent's tasks.

An explanation replays up to 20,000 events, about a second of Python's time, which the agent's loop
would have to share.

    python -m mc_sched.obs.explain.subprocess TASK STORE..
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from mc_sched.errors import UserError
from mc_sched.obs.explain.explain import explain
from mc_sched.obs.explain.spans import spans
from mc_sched.obs.store.bounds import AGENT_BOUNDS
from mc_sched.obs.store.stores import open_stores

NICENESS = 5
"""Lowers the priority, so that tasks run first."""
PATIENCE_S = 30.0
_one_at_a_time = threading.Lock()


def explain_in_subprocess(paths: Sequence[Path], task_id: str) -> bytes:
    """Return the explanation, with its text and the bars of its time line, as JSON.

    Raise UserError if the task cannot be explained or if that takes too long.
    """
    if not task_id.isprintable():
        raise UserError(f"{task_id[:40]!r} is not a valid task id")
    command = [sys.executable, "-m", __name__, task_id, *map(str, paths)]
    if not _one_at_a_time.acquire(timeout=PATIENCE_S):
        raise UserError("other explanations are running; try again")
    try:
        ended = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"{task_id}: explaining it takes longer than {PATIENCE_S:.0f} s") from None
    finally:
        _one_at_a_time.release()
    if ended.returncode == 0:
        return ended.stdout
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    raise UserError(lines[-1] if lines else f"{task_id}: cannot be explained")


def _explained(paths: Sequence[str], task_id: str) -> bytes:
    with open_stores(paths, AGENT_BOUNDS) as stores:
        found = explain(stores, task_id)
    bars = [asdict(span) for span in spans(found.story)]
    return orjson.dumps({**found.as_object(), "text": found.text(), "spans": bars})


def main(arguments: Sequence[str]) -> int:
    """Print the explanation, or one sentence on stderr if the task cannot be explained."""
    with contextlib.suppress(OSError):  # a service may not be allowed to change its priority
        os.nice(NICENESS)
    task_id, *paths = arguments
    try:
        sys.stdout.buffer.write(_explained(paths, task_id))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
