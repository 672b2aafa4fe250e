"""The case study: the frame falls back in time, and its story is complete."""

import pytest

from mc_sched.experiments.case_study import DARK_AFTER_MS, findings
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.systems import OURS


@pytest.fixture(scope="module")
def stories():
    return findings(Setting()).report["stories"]


@pytest.mark.parametrize("policy", OURS)
def test_the_frame_is_answered_on_the_device_within_its_deadline(stories, policy):
    story = stories[policy]
    assert (story["outcome"], story["site"], story["gave_up"]) == ("succeeded", "edge", True)
    assert story["latency_ms"] <= 84.0
    assert story["expected_accuracy"] >= 0.75


@pytest.mark.parametrize("policy", OURS)
def test_its_spans_follow_each_other(stories, policy):
    spans = {lane: (start, end) for lane, _, start, end in stories[policy]["spans_ms"]}
    assert spans["encoder"][1] == spans["uplink"][0]
    assert spans["uplink"][1] < DARK_AFTER_MS
    assert spans["downlink"][1] is None or spans["downlink"][1] > 84.0
    fallback = stories[policy]["moments_ms"]["fallback timer"]
    assert spans["give-up"][0] == spans["local net"][0] == pytest.approx(fallback)
    assert spans["local net"][1] == pytest.approx(stories[policy]["moments_ms"]["answer"])


@pytest.mark.parametrize("policy", OURS)
def test_forecasts_are_compared_with_the_spans(stories, policy):
    forecasts = {f["of"]: f for f in stories[policy]["forecasts_ms"]}
    assert {"encode", "transfer_up", "stage", "local"} <= forecasts.keys()
    spans = {lane: end - start for lane, _, start, end in stories[policy]["spans_ms"] if end}
    assert forecasts["encode"]["took"] == pytest.approx(spans["encoder"])
    assert forecasts["local"]["took"] == pytest.approx(spans["local net"])
