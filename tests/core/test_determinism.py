"""A log replayed in another process gives the same actions in the same order."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.core.round_figures import ANSWER, at, ns
from tests.core.scripted_edge import ScriptedEdge
from mc_sched.core import events as ev

edge = ScriptedEdge()
edge.submit(0, "a", 84)
edge.accepted(20, "a")
for action in edge.machine.handle(ev.ClientGone(at(25), "a")):
    print(action)
"""


def actions(hash_seed: int) -> str:
    """Actions of one history in a fresh interpreter with this hash seed."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[2])],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip


def test_actions_do_not_depend_on_the_hash_of_strings():
    first = actions(0)
    assert "CancelTimer" in first
    assert all(actions(seed) == first for seed in range(1, 5))
