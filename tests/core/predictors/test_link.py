"""The link estimator: rates from real uploads, round trips from probes, unknown means the prior."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import events as ev
from mc_sched.core.predictors.link import RECENT_NS, SHORTEST_TRANSFER_NS, LinkEstimator
from mc_sched.core.predictors.probing import FRESH_NS, PADDING_BYTES, Padding
from mc_sched.core.scores import Forecast
from tests.core.round_figures import IMAGE_BYTES, at, faded, ns

SIZE = IMAGE_BYTES
EIGHT_MBPS = 8e6
EXPECTED = Forecast(ns(20), ns(20))
"""Size of an upload on the link below."""


@pytest.fixture
def fresh():
    """An estimator that has seen nothing."""
    return LinkEstimator(0.95)


@pytest.fixture
def link(fresh):
    """An estimator that has seen four probes of 10 ms and four uploads at 8 Mbps."""
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
    assert fresh.up_mean_bps(0) == pytest.approx(4e6)  # the mean time per byte of 6, 4 and 3 Mbps
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
    assert link.up_mean_ns(4, SIZE) == int(faded(*(ns(10),) * 4, SHORTEST_TRANSFER_NS))


def test_one_slow_upload_shows_in_the_upper_quantile_at_once(link):
    uploads(link, 0, 12, 20)
    uploads(link, 12, 1, 10 + 40)
    assert link.up_upper_ns(ns(1_200), SIZE) == ns(40)
    assert link.up_mean_ns(ns(1_200), SIZE) < ns(14)


def test_one_slow_probe_too(link):
    link.record_rtt(4, ns(100))
    assert link.rtt_upper_ns(4) == ns(100)
    assert link.rtt_mean_ns(4) == int(1e6 * faded(10, 10, 10, 10, 100))


@pytest.mark.parametrize(("before", "after"), [(11, 20), (20, 110), (110, 20), (20, 11)])
def test_a_step_of_ten_times_has_gone_through_after_three_uploads(link, before, after):
    uploads(link, 0, 40, before)
    uploads(link, 40, 3, after)
    now_ns = ns(4_300)
    for forecast_ns in (link.up_mean_ns(now_ns, SIZE), link.up_upper_ns(now_ns, SIZE)):
        assert forecast_ns == pytest.approx(ns(after - 10), rel=0.3)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.integers(0, 2**32), st.floats(0.0, 0.1), st.sampled_from((0.1, 1 / 3, 3.0, 10.0)),
    st.integers(4, 60),
)  # fmt: skip
def test_on_a_noisy_link_as_well(seed, spread, step, quiet):
    """Within 3 transfers the prediction is within 30% again, whether the rate rises or falls."""
    draw, link = random.Random(seed), LinkEstimator(0.95)
    for number in range(4):
        link.record_rtt(number, ns(10))
    levels_ms = [40.0] * quiet + [40.0 * step] * 3
    for number, level_ms in enumerate(levels_ms):
        took_ms = level_ms * math.exp(draw.gauss(0.0, spread))
        link.record_rtt(ns(500 * number), ns(10))
        link.record_upload(ns(500 * number), SIZE, ns(10 + took_ms))
    now_ns = ns(500 * len(levels_ms))
    assert link.up_mean_ns(now_ns, SIZE) == pytest.approx(ns(40 * step), rel=0.3)


def test_an_upload_that_is_faster_than_the_round_trip_tells_a_new_one_and_no_rate(link):
    link.record_upload(4, SIZE, ns(4))
    assert link.up_mean_bps(4) == EIGHT_MBPS
    assert link.rtt_mean_ns(4) == int(1e6 * faded(10, 10, 10, 10, 4))


def test_it_is_believed_until_the_upload_is_no_longer_too_fast(link):
    for number in range(3):
        link.record_upload(4 + number, SIZE, ns(4), ns(3))
    assert link.rtt_mean_ns(7) == int(1e6 * faded(10, 10, 10, 10, 1, 1))


@pytest.mark.parametrize(
    ("until_accepted", "seen", "transfer"),
    [(20, 8, 10), (20, 30, 20), (90, 20, 30), (20, 1, 10)],
)
def test_what_the_cloud_saw_keeps_a_transfer_within_reason(link, until_accepted, seen, transfer):
    """The round trip of 10 ms has changed already; unless the estimator saw the change at once."""
    link.record_upload(4, SIZE, ns(until_accepted), ns(seen))
    assert link.up_mean_ns(4, SIZE) == pytest.approx(1e6 * faded(10, 10, 10, 10, transfer), abs=1)


# --- the downlink -----------------------------------------------------------------------------


def test_before_a_reply_was_timed_the_downlink_takes_half_a_round_trip(link):
    assert link.down(4) == Forecast(ns(5), ns(5))


def test_then_it_is_the_excess_of_replies_over_the_clouds_first_message(link):
    for number in range(4):
        link.record_reply(4 + number, ns(9 + 1), ns(9))
    assert link.down(8).mean_ns == ns(6)


def test_no_reply_is_faster_than_the_fastest_round_trip(link):
    """A reply that nearly overtook the acceptance shows that the acceptance was delayed."""
    link.record_rtt(4, ns(8))
    assert link.record_reply(4, ns(2), ns(9)).actual_ns == ns(4)


def test_the_downlink_is_measured_by_padded_probes(link):
    assert not link.down_known(4)
    link.record_padded(4, ns(10 + 4), Padding(down_bytes=8_000))
    assert link.down_known(4)
    assert link.down_mean_bps(4) == 16e6


def test_the_uplink_too(link):
    fresh = LinkEstimator(0.95)
    fresh.record_rtt(0, ns(10))
    fresh.record_padded(4, ns(10 + 8), Padding(up_bytes=8_000))
    assert (fresh.known(4), fresh.up_mean_bps(4)) == (True, 8e6)


def test_padding_is_wanted_for_what_is_not_fresh(link):
    assert link.next_padding(4) == Padding(down_bytes=PADDING_BYTES)
    link.record_padded(4, ns(14), Padding(down_bytes=PADDING_BYTES))
    assert link.next_padding(4) == Padding()
    assert link.next_padding(4 + FRESH_NS + 1) == Padding(up_bytes=PADDING_BYTES)


def test_a_transfer_that_is_not_resolved_leaves_belief_as_it_is(fresh):
    """Round trips of 10 ms that stray by 4.2 ms hide 8 kB within them."""
    for number in range(40):
        fresh.record_rtt(number, ns(10 if number % 10 else 16.9))
    fresh.record_padded(40, ns(10 + 4), Padding(up_bytes=1_000))  # 2 Mbps
    before_ns = fresh.up_mean_ns(40, 1_000)
    fresh.record_padded(41, ns(8), Padding(up_bytes=1_000))
    assert fresh.up_mean_ns(41, 1_000) == pytest.approx(before_ns, rel=0.05)


def test_the_best_is_the_lowest_mean_lately(link):
    assert link.up_best_ns(4, SIZE) == ns(10)
    uploads(link, 1, 8, 10 + 40)
    assert (link.up_best_ns(ns(800), SIZE), link.up_mean_ns(ns(800), SIZE) > ns(30)) == (
        ns(10),
        True,
    )
    assert link.up_best_ns(RECENT_NS + ns(1), SIZE) > ns(10)


# --- uploads that were stopped ----------------------------------------------------------------


def test_an_upload_that_was_stopped_bounds_the_rate_from_above(link):
    link.record_unfinished(4, SIZE, ns(10 + 40), EXPECTED)  # 2 Mbps at most
    assert link.up_mean_ns(4, SIZE) == pytest.approx(1e6 * faded(10, 10, 10, 10, 40), abs=1)
    assert link.up_upper_ns(4, SIZE) == ns(40)


def test_a_bound_above_the_known_rate_changes_nothing(link):
    link.record_unfinished(4, SIZE, ns(9), EXPECTED)
    link.record_unfinished(4, SIZE, 0, EXPECTED)
    assert link.up_mean_bps(4) == EIGHT_MBPS


def test_a_link_that_only_ever_produces_give_ups_is_learned_as_slow(fresh):
    fresh.record_rtt(0, ns(10))
    for number in range(4):
        fresh.record_unfinished(number, SIZE, ns(10 + 80), EXPECTED)
    assert fresh.known(4)
    assert fresh.up_mean_bps(4) == pytest.approx(1e6)


def test_an_upload_that_was_overdue_when_it_was_stopped_widens_the_next_forecasts():
    narrow, wide = (LinkEstimator(0.95) for _ in range(2))
    for estimator in (narrow, wide):
        for number in range(40):
            estimator.record_rtt(number, ns(10))
            estimator.record_upload(ns(50 * number), SIZE, ns(20 + number % 20))
    for _ in range(3):
        wide.record_unfinished(ns(2_000), SIZE, ns(21), Forecast(ns(19), ns(20)))
        narrow.record_unfinished(ns(2_000), SIZE, ns(1), Forecast(ns(19), ns(20)))
    assert wide.up_upper_ns(ns(2_000), SIZE) > narrow.up_upper_ns(ns(2_000), SIZE)


def test_a_link_that_is_gone_is_not_judged_by_what_its_end_was_like(fresh):
    for number in range(40):
        fresh.record_rtt(ns(200 * number), ns(10 if number < 25 else 400))
        fresh.record_upload(ns(200 * number), SIZE, ns(20 if number < 25 else 410))
    fresh.forget_outage(ns(8_000))
    assert (fresh.rtt_mean_ns(ns(8_000)), fresh.up_mean_ns(ns(8_000), SIZE)) == (ns(10), ns(10))


def test_but_with_nothing_older_it_speaks(link):
    link.forget_outage(ns(1_000))
    assert (link.rtt_mean_ns(ns(1_000)), link.known(ns(1_000))) == (ns(10), True)


def test_a_bound_leaves_room_for_the_round_trip(link):
    """At 8 Mbps the acceptance would have come after 20 ms; 15 ms without it show nothing."""
    link.record_unfinished(4, SIZE, ns(15), EXPECTED)
    assert link.up_mean_bps(4) == EIGHT_MBPS


# --- fed by the machine -----------------------------------------------------------------------


def test_the_cloud_reports_how_long_it_held_the_image_before_its_first_message(edge):
    """Decoding on the cloud is no part of the transfer."""
    edge.submit(0, "a", 84)
    edge.tell(28, ev.CloudAccepted, "a", "exit1", ns(9), 0, ns(8))
    assert edge.machine.snapshot(at(28)).uplink_bps == EIGHT_MBPS


def test_status_shows_the_link(edge):
    shown = edge.machine.snapshot(at(0))
    assert (shown.uplink_bps, shown.rtt_ns) == (EIGHT_MBPS, ns(10))


def test_and_no_rate_while_it_is_unknown(make_edge):
    assert make_edge(warmed_up=False).machine.snapshot(at(0)).uplink_bps == 0.0


def test_two_uploads_at_once_show_the_rate_of_the_link(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 84)
    edge.accepted(20, "a")
    edge.accepted(30, "b")  # 20 kB have left by 20 ms
    assert edge.machine.snapshot(at(30)).uplink_bps == EIGHT_MBPS
