"""The link estimator: rates from real uploads, round trips from probes, unknown means the prior."""

import pytest
from round_figures import IMAGE_BYTES, at, ns

from mc_sched.core import events as ev
from mc_sched.core.predictors.link import SHORTEST_TRANSFER_NS, LinkEstimator

SIZE = IMAGE_BYTES
EIGHT_MBPS = 8e6


@pytest.fixture
def fresh():
    """An estimator that has seen nothing."""
    return LinkEstimator(0.95)


@pytest.fixture
def link(fresh):
    """One that has seen four probes of 10 ms and four uploads at 8 Mbps."""
    for number in range(4):
        fresh.record_rtt(number, ns(10))
    uploads(fresh, -4, 4, 20)
    return fresh


def uploads(link, first, count, took):
    """Uploads of `took` ms, one every 100 ms; number 0 would be accepted at 0."""
    for number in range(first, first + count):
        link.record_upload(ns(100 * number), SIZE, ns(took))


# --- unknown ----------------------------------------------------------------------------------


def test_a_link_that_was_never_used_is_unknown_and_met_with_the_prior(fresh):
    assert not fresh.known(0)
    assert fresh.up_mean_bps(0) == pytest.approx(13e6 / 3)
    assert fresh.up_upper_ns(0, SIZE) == int(SIZE * 8e9 / 3e6)
    assert (fresh.rtt_mean_ns(0), fresh.rtt_upper_ns(0)) == (ns(30), ns(40))


def test_probes_alone_do_not_make_the_rate_known(fresh):
    fresh.record_rtt(0, ns(1))
    assert not fresh.known(0)
    assert fresh.rtt_mean_ns(0) == ns(1)
    assert fresh.rtt_upper_ns(0) == ns(40)


def test_the_prior_is_pessimistic_next_to_a_good_link(link, fresh):
    other = LinkEstimator(0.95)
    assert other.up_upper_ns(0, SIZE) > link.up_upper_ns(4, SIZE)


def test_some_seconds_without_a_sample_and_it_is_unknown_again(link):
    ten_seconds = 10 * 10**9
    assert link.known(ten_seconds - ns(100))
    assert not link.known(ten_seconds)
    assert link.up_upper_ns(ten_seconds, SIZE) == int(SIZE * 8e9 / 3e6)
    assert link.rtt_upper_ns(ten_seconds + 4) == ns(40)


# --- measured ---------------------------------------------------------------------------------


def test_an_upload_is_measured_without_the_round_trip(link):
    assert link.known(4)
    assert link.up_mean_bps(4) == EIGHT_MBPS
    assert link.up_mean_ns(4, SIZE) == ns(10)
    assert link.up_mean_ns(4, 3 * SIZE) == ns(30)
    assert (link.rtt_mean_ns(4), link.rtt_upper_ns(4)) == (ns(10), ns(10))


def test_an_upload_as_short_as_the_round_trip_is_not_resolved(link):
    link.record_upload(4, SIZE, ns(10))
    assert link.up_mean_bps(4) == (4 * EIGHT_MBPS + SIZE * 8e9 / SHORTEST_TRANSFER_NS) / 5


def test_one_slow_upload_shows_in_the_upper_quantile_at_once(link):
    uploads(link, 0, 12, 20)
    uploads(link, 12, 1, 10 + 40)
    assert link.up_upper_ns(ns(1_200), SIZE) == ns(40)
    assert link.up_mean_ns(ns(1_200), SIZE) < ns(11)


def test_one_slow_probe_too(link):
    link.record_rtt(4, ns(100))
    assert link.rtt_upper_ns(4) == ns(100)
    assert link.rtt_mean_ns(4) == ns(28)


@pytest.mark.parametrize(("before", "after"), [(20, 90), (90, 20)])
def test_a_step_has_gone_through_after_sixteen_uploads(link, before, after):
    uploads(link, 0, 16, before)
    uploads(link, 16, 16, after)
    now_ns = ns(3_200)
    assert link.up_upper_ns(now_ns, SIZE) == link.up_mean_ns(now_ns, SIZE) == ns(after - 10)


# --- uploads that were stopped ----------------------------------------------------------------


def test_an_upload_that_was_stopped_bounds_the_rate_from_above(link):
    link.record_unfinished(4, SIZE, ns(10 + 40))  # 2 Mbps at most
    assert link.up_mean_bps(4) == (4 * EIGHT_MBPS + 2e6) / 5
    assert link.up_upper_ns(4, SIZE) == ns(40)


def test_a_bound_above_what_is_known_says_nothing(link):
    link.record_unfinished(4, SIZE, ns(9))
    link.record_unfinished(4, SIZE, 0)
    assert link.up_mean_bps(4) == EIGHT_MBPS


def test_a_link_that_only_ever_produces_give_ups_is_learned_as_slow(fresh):
    fresh.record_rtt(0, ns(10))
    for number in range(4):
        fresh.record_unfinished(number, SIZE, ns(10 + 80))
    assert fresh.known(4)
    assert fresh.up_mean_bps(4) == pytest.approx(1e6)


def test_a_bound_leaves_room_for_the_round_trip(link):
    """At 8 Mbps the cloud's word would have come after 20 ms: 15 without it say nothing."""
    link.record_unfinished(4, SIZE, ns(15))
    assert link.up_mean_bps(4) == EIGHT_MBPS


# --- fed by the machine -----------------------------------------------------------------------


def test_the_cloud_says_how_long_it_held_the_image_before_its_word(edge):
    """Decoding on the cloud is no part of the transfer."""
    edge.submit(0, "a", 84)
    edge.tell(28, ev.CloudAccepted, "a", "exit1", ns(9), 0, ns(8))
    assert edge.machine.snapshot(at(28)).uplink_bps == EIGHT_MBPS


def test_status_shows_the_link(edge):
    shown = edge.machine.snapshot(at(0))
    assert (shown.uplink_bps, shown.rtt_ns) == (EIGHT_MBPS, ns(10))


def test_and_no_rate_while_it_is_unknown(make_edge):
    assert make_edge(settled=False).machine.snapshot(at(0)).uplink_bps == 0.0


def test_two_uploads_at_once_show_the_rate_of_the_link(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 84)
    edge.accepted(20, "a")
    edge.accepted(30, "b")  # 20 kB have left by 20 ms
    assert edge.machine.snapshot(at(30)).uplink_bps == EIGHT_MBPS
