"""`--threshold 'deadline_met>0.99'`."""

import pytest

from mc_sched.cli.options.thresholds import Threshold, parse_threshold

SUMMARY = {"deadline_met": 0.95, "latency_ms": {"p95": 84.0}, "tasks": 120, "policy": "mc"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deadline_met>0.99", Threshold("deadline_met", ">", 0.99)),
        (" latency_ms.p95 <= 84 ", Threshold("latency_ms.p95", "<=", 84.0)),
        ("e3_per_j>=.5", Threshold("e3_per_j", ">=", 0.5)),
        ("energy_j.total<-1", Threshold("energy_j.total", "<", -1.0)),
    ],
)
def test_a_figure_a_comparison_and_a_number(text, expected):
    assert parse_threshold(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "deadline_met", "deadline_met>", ">0.9", "deadline_met=0.9", "deadline_met==0.9",
     "deadline_met>high", "deadline_met>1.2.3", "deadline_met>.", "a>1 b>2", "deadline met>1"],
)  # fmt: skip
def test_anything_else_is_a_sentence_with_an_example(text):
    with pytest.raises(ValueError, match=r"must look like 'deadline_met>0\.99'") as caught:
        parse_threshold(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("deadline_met>0.95", False),
        ("deadline_met>=0.95", True),
        ("deadline_met<0.95", False),
        ("deadline_met<=0.95", True),
        ("latency_ms.p95<=84", True),
        ("latency_ms.p95<84", False),
        ("tasks>=120", True),
    ],
)
def test_a_threshold_holds_or_names_what_it_failed_by(text, holds):
    failure = parse_threshold(text).failure(SUMMARY)
    assert (failure is None) == holds


def test_the_failure_names_figure_value_and_limit():
    failure = parse_threshold("latency_ms.p95<50.5").failure(SUMMARY)
    assert failure == "latency_ms.p95 is 84, not < 50.5"


@pytest.mark.parametrize(
    "path",
    ["deadline", "latency_ms", "latency_ms.p96", "latency_ms.p95.x", "policy", "tasks."],
)
def test_a_missing_figure_is_named(path):
    with pytest.raises(ValueError, match=f"the summary has no figure '{path}'"):
        parse_threshold(f"{path}>1").failure(SUMMARY)
