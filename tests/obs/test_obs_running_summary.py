"""Built up result by result, the summary is the one that all results together give."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.task import Energy, Outcome, OutcomeKind, Prediction, Site
from mc_sched.obs.running_summary import LatencyCounts, RunningSummary
from mc_sched.obs.summary import RunInfo, TaskResult, summarise

INFO = RunInfo("mc", "energy", "wifi", 12.0, 3.0)
ANSWER = Prediction(((1, 0.9),))
SHARE = st.floats(0, 1)


@st.composite
def results(draw):
    """One result, as a task can end."""
    answered = draw(st.booleans())
    outcome = Outcome(
        "t", "s", draw(st.sampled_from(OutcomeKind)), draw(st.integers(0, 6 * 10**10)),
        site=draw(st.sampled_from(Site)) if answered else None,
        exit=draw(st.sampled_from(("local", "exit1", "exit2"))) if answered else None,
        prediction=ANSWER if answered else None,
        expected_accuracy=draw(SHARE) if answered else None,
        gave_up=draw(st.booleans()),
        energy=Energy(
            *(draw(st.lists(SHARE, min_size=5, max_size=5))),
            draw(st.sampled_from(("model", "rapl", "model+rapl"))),
        ),
        bytes_up=draw(st.integers(0, 10**6)),
        cloud_ns=draw(st.sampled_from((0, 10**6, 10**7))),
    )  # fmt: skip
    return TaskResult(outcome, draw(st.sampled_from((None, True, False))) if answered else None)


@settings(max_examples=150, deadline=None)
@given(st.lists(results(), max_size=30))
def test_one_by_one_or_all_at_once(all_results):
    running = RunningSummary()
    for result in all_results:
        running.add(result)
    built, whole = running.summary(INFO), summarise(all_results, INFO)
    assert built.keys() == whole.keys()
    for key, value in whole.items():
        if isinstance(value, dict):
            assert built[key] == {name: close_to(part) for name, part in value.items()}
        else:
            assert built[key] == close_to(value)


def close_to(value):
    return pytest.approx(value, rel=6e-4, abs=1e-6) if isinstance(value, float) else value


def test_memory_does_not_grow_with_the_number_of_latencies():
    counts = LatencyCounts()
    for number in range(100_000):
        counts.add(10_000_000 + number * 997)
    assert len(counts._counts) < 5_000
    assert counts.figures_ms()["p50"] == pytest.approx(10 + 50_000 * 997e-6, rel=6e-4)
