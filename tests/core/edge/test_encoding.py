"""Payloads that the encoder makes: when, for which task, at what cost; and privacy."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Encode, SendToCloud, StartLocal
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import Fallback, Offload
from mc_sched.core.task import ExitRule, Mode, Privacy, Site
from tests.core.round_figures import BOTH_PAYLOADS, ENCODING_LOCAL, TWO_CODECS, ns
from tests.core.scripted_edge import (
    deadline_timer,
    failed,
    fallback_timer,
    no_deadline,
    no_fallback,
    refused,
    sent,
    succeeded,
)

PRIVATE = {"privacy": Privacy.FEATURES, "payload_bytes": BOTH_PAYLOADS}
FINE = {**PRIVATE, "accuracy": 0.85}
"""Only the cloud, at exit3: 5 to encode, 4 + 10 up, 3 to decode, 9 to compute: 31 ms."""
FINE_MS = 31
ENCODE_J = 7.0 * 5e-3
LITTLE = 1e-3


@pytest.fixture
def edge(make_edge):
    """An edge that can make features, and a cloud that takes them."""
    return make_edge(ENCODING_LOCAL, TWO_CODECS)


def encodes(actions):
    return [a.task_id for a in actions if isinstance(a, Encode)]


def uploads(actions):
    return [(a.task_id, a.codec) for a in actions if isinstance(a, SendToCloud)]


def reason(edge, task_id):
    return edge.outcome(task_id).reason


# --- one task ----------------------------------------------------------------------


def test_a_payload_is_made_and_then_sent_with_what_is_left(edge):
    assert edge.submit(0, "a", 84, **FINE) == [deadline_timer("a", 84), Encode("a", "features")]
    assert edge.encoded(5, "a") == [
        sent("a", budget=84 - 5 - 5, accuracy=0.85, codec="features"),
    ]
    edge.accepted(19, "a", "exit3", predicted=9)
    assert edge.replied(28, "a", "exit3") == [
        no_deadline("a"),
        succeeded("a", Site.CLOUD, exit="exit3", expected_accuracy=0.89, codec="features"),
    ]


def test_encoding_and_decoding_count_in_the_prediction(edge):
    edge.submit(0, "a", 84, **FINE)
    assert edge.entry("a").predicted_ns == ns(FINE_MS)


def test_encoding_and_decoding_count_against_the_deadline(edge):
    assert encodes(edge.submit(0, "a", FINE_MS, **FINE)) == ["a"]
    (action,) = edge.submit(200, "b", FINE_MS - LITTLE, **FINE)
    assert action == refused("b")
    assert "cloud needs 31.0 ms, 31.0 ms are left" in reason(edge, "b")


def test_exits_before_the_cut_are_no_candidates(edge):
    """exit0 would be accurate enough and in time; features cannot reach it."""
    fields = {"payload_bytes": {"features": 4_000}, "accuracy": 0.3}
    assert edge.submit(0, "a", 19, **fields) == [refused("a")]
    assert "cloud needs 27.0 ms" in reason(edge, "a")


def test_a_slow_encoder_is_learned(edge):
    for number in range(32):
        edge.submit(100 * number, f"x{number}", 84, **FINE)
        edge.encoded(100 * number + 10, f"x{number}", took=10)
        edge.tell(100 * number + 11, ev.CloudLost, f"x{number}", "cut")
    edge.submit(3200, "a", 84, **FINE)
    assert edge.entry("a").predicted_ns == ns(FINE_MS + 5)


# --- the queue before the encoder -------------------------------------------------------------


def test_one_payload_is_made_at_a_time_and_the_earliest_deadline_goes_first(edge):
    assert encodes(edge.submit(0, "a", 200, **FINE)) == ["a"]
    assert encodes(edge.submit(0, "b", 190, **FINE)) == []
    assert encodes(edge.submit(0, "c", 180, **FINE)) == []
    actions = edge.encoded(5, "a")
    assert (encodes(actions), uploads(actions)) == (["c"], [("a", "features")])


def test_the_wait_for_the_encoder_counts_in_the_prediction(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    # the encoder is busy until 5, then makes b's until 10, while a's 4 kB leave until 9
    assert edge.entry("b").predicted_ns == ns(10 + 4 + 10 + 3 + 9)


def test_payloads_are_made_while_others_leave(make_edge):
    edge = make_edge(ENCODING_LOCAL, TWO_CODECS, max_uploads=1)
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    edge.encoded(5, "a")
    assert edge.encoded(10, "b") == []
    assert uploads(edge.accepted(19, "a", "exit3")) == [("b", "features")]


def test_a_jpeg_does_not_wait_for_the_encoder(edge):
    edge.submit(0, "a", 200, **FINE)
    jpeg = edge.submit(0, "b", 200, accuracy=0.94, payload_bytes=BOTH_PAYLOADS)
    assert uploads(jpeg) == [("b", "jpeg")]


# --- payloads that are withdrawn --------------------------------------------------------------


def test_a_withdrawn_payload_is_discarded_when_it_is_made(edge):
    edge.submit(0, "a", 84, **FINE)
    assert edge.tell(3, ev.ClientGone, "a") == [no_deadline("a"), failed("a", gave_up=False)]
    assert edge.encoded(5, "a") == []


def test_the_encoder_is_busy_until_a_withdrawn_payload_is_made(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.tell(3, ev.ClientGone, "a")
    assert encodes(edge.submit(4, "b", 84, **FINE)) == []
    assert encodes(edge.encoded(5, "a")) == ["b"]


def test_a_task_falls_back_while_it_is_encoded(edge):
    """84 - 20 - 4 leaves the local net its time; nothing was sent, so nothing is given up."""
    actions = edge.submit(0, "a", 84, **PRIVATE)
    assert actions == [
        deadline_timer("a", 84),
        fallback_timer("a", 60),
        Encode("a", "features"),
    ]
    assert edge.fallback_fires(60, "a") == [StartLocal("a")]
    assert edge.encoded(61, "a", took=61) == []
    edge.local_done(80, "a")
    assert edge.outcome("a").site is Site.EDGE
    assert not edge.outcome("a").gave_up
    assert edge.outcome("a").bytes_up == 0


def test_a_task_whose_encoding_failed_falls_back_to_the_local_net(edge):
    edge.submit(0, "a", 84, **PRIVATE)
    assert edge.tell(5, ev.EncodeFailed, "a", "out of memory") == [
        no_fallback("a"),
        StartLocal("a"),
    ]


def test_a_task_whose_encoding_failed_fails_if_the_local_net_is_not_accurate_enough(edge):
    edge.submit(0, "a", 84, **FINE)
    actions = edge.tell(5, ev.EncodeFailed, "a", "out of memory")
    assert actions == [
        no_deadline("a"),
        failed("a", reason="features encoder: out of memory"),
    ]


def test_a_task_falls_back_while_it_is_encoded_if_the_cloud_is_gone(edge):
    edge.submit(0, "a", 84, **PRIVATE)
    assert edge.tell(3, ev.CloudGone, "cut") == [no_fallback("a"), StartLocal("a")]
    assert edge.encoded(5, "a") == []


def test_a_payload_that_is_made_too_late_is_not_sent(edge):
    """60 ms are gone: 4 + 10 + 3 + 9 more cannot be in time."""
    edge.submit(0, "a", 84, **FINE)
    assert uploads(edge.encoded(60, "a", took=60)) == []
    assert edge.outcome("a").bytes_up == 0


# --- joules -----------------------------------------------------------------------------------


def test_encoding_counts_as_the_edges_energy(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.encoded(5, "a")
    edge.accepted(19, "a", "exit3")
    edge.replied(28, "a", "exit3")
    energy = edge.outcome("a").energy
    assert energy.encode_j == pytest.approx(ENCODE_J)
    assert energy.compute_j == 0
    assert energy.total_j == pytest.approx(ENCODE_J + energy.radio_up_j + energy.radio_down_j)


def test_a_withdrawn_payload_counts_as_the_edges_energy(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.tell(2, ev.ClientGone, "a")
    assert edge.outcome("a").energy.encode_j == pytest.approx(7.0 * 2e-3)


def test_encoding_before_the_submission_counts_as_the_edges_energy(edge):
    edge.submit(0, "a", 84, policy="edge-only", encoding_ns=ns(2))
    edge.local_done(20, "a")
    assert edge.outcome("a").energy.encode_j == pytest.approx(7.0 * 2e-3)


def test_joules_of_encoding_can_make_the_local_net_the_cheaper_site(make_edge):
    """25 ms of encoding against 20 ms of the whole local net."""
    slow = {"features": ns(25)}
    local = type(ENCODING_LOCAL)("local", 0.8, (10, 30, 40, 20), (ns(5),) * 4, encode_ns=slow)
    edge = make_edge(local, TWO_CODECS, warmed_up=False)
    edge.tell(-1, ev.CloudFound, TWO_CODECS)
    assert StartLocal("a") in edge.submit(0, "a", 400, **PRIVATE, mode=Mode.ENERGY)


# --- which codec ------------------------------------------------------------------------------


def test_energy_mode_takes_the_codec_of_the_least_energy(make_edge):
    """A frugal processor pays for features; a hungry one for the image's bytes."""
    for compute_w, codec in ((0.5, "features"), (20.0, "jpeg")):
        model = EnergyModel(compute_w=compute_w)
        edge = make_edge(ENCODING_LOCAL, TWO_CODECS, energy=model, mode=Mode.ENERGY)
        edge.submit(0, "a", 200, accuracy=0.85, payload_bytes=BOTH_PAYLOADS)
        assert edge.entry("a").codec == codec


def test_performance_mode_takes_the_faster_one(edge):
    """Both reach exit3: features after 31 ms, the image after 10 + 10 + 17."""
    edge.submit(0, "a", 200, accuracy=0.85, payload_bytes=BOTH_PAYLOADS, mode=Mode.PERFORMANCE)
    assert edge.entry("a").codec == "features"
    assert edge.entry("a").predicted_ns == ns(FINE_MS)


def test_the_server_baseline_loses_no_accuracy_to_a_codec(edge):
    edge.submit(0, "a", 200, policy="server", payload_bytes=BOTH_PAYLOADS)
    assert edge.entry("a").codec == "jpeg"


# --- privacy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_with_privacy_edge_only_nothing_leaves_the_device(edge, policy):
    fields = {"privacy": Privacy.EDGE_ONLY, "payload_bytes": BOTH_PAYLOADS, "policy": policy}
    for number, accuracy in enumerate((0.0, 0.75, 0.85)):
        actions = edge.submit(number, f"a{number}", 200, accuracy=accuracy, **fields)
        assert not encodes(actions)
        assert not uploads(actions)


@pytest.mark.parametrize("policy", POLICIES)
def test_with_privacy_features_only_features_leave_the_device(edge, policy):
    for number, accuracy in enumerate((0.0, 0.75, 0.85, 0.93)):
        task_id, ms = f"a{number}", 200 * number
        actions = edge.submit(ms, task_id, 150, policy=policy, **{**FINE, "accuracy": accuracy})
        if task_id in encodes(actions):
            actions += edge.encoded(ms + 5, task_id)
        assert all(codec == "features" for _, codec in uploads(actions))


def test_a_stream_of_features_without_an_encoder_is_refused_for_its_privacy(make_edge):
    edge = make_edge()
    assert edge.submit(0, "a", 84, accuracy=0.9, privacy=Privacy.FEATURES, payload_bytes={}) == [
        refused("a")
    ]
    assert "cloud is not allowed by the stream's privacy setting" in reason(edge, "a")


def test_a_policy_that_breaks_privacy_is_stopped(edge, monkeypatch):
    def rogue(task, view):
        return Offload("jpeg", 0.0, ExitRule.EARLIEST, 0, Fallback.UNLESS_ACCEPTED)

    monkeypatch.setitem(POLICIES, "rogue", rogue)
    assert edge.submit(0, "a", 84, policy="rogue", **PRIVATE) == [refused("a")]
    assert "would send jpeg against" in reason(edge, "a")
