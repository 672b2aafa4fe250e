"""`mc-sched bench give-up`: nothing starts on the cloud after a give-up has reached it."""

import json

import pytest

from tests.system.deployment import mc_sched

pytestmark = pytest.mark.system


def test_no_stage_starts_after_a_give_up():
    ran = mc_sched("bench", "give-up", "--tasks", 50, "--output", "json", patience_s=110)
    assert ran.code == 0, ran.err
    (line,) = ran.out.splitlines()
    report = json.loads(line)
    assert report["given_up"] >= 50
    assert report["stages_after_give_up"] == 0
    assert 0 < report["to_idle_ms"]["p50"] <= report["to_idle_ms"]["p99"]
    assert report["to_idle_per_stage"] > 0
