"""Statistics of the last seconds."""

import orjson

from mc_sched.obs.report.recent import Recent
from tests.obs.stored import finish, line


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_outcomes_leave_the_window():
    clock = Clock()
    recent = Recent(10, clock)
    for at_s, outcome in ((1, "succeeded"), (8, "late"), (12, "succeeded")):
        clock.now_s = at_s
        fields = {"latency_ns": at_s * 10**6, "prediction": {"top": []}, "gave_up": at_s == 8}
        recent.take(orjson.loads(finish(at_s, "t", outcome, **fields)))
        recent.take(orjson.loads(line(at_s, "LinkSampled")))
    figures = recent.figures()
    assert figures["outcomes"] == {"late": 1, "succeeded": 1}
    assert (figures["rate_per_s"], figures["gave_up"]) == (0.2, 1)
    assert figures["latency_ms"] == {"p50": 8.0, "p95": 12.0, "p99": 12.0}
    clock.now_s = 99
    assert recent.figures()["rate_per_s"] == 0
