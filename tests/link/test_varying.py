"""Rates that change with time carry the bytes of their intervals, no more and not earlier."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mc_sched.link.model import ConstantRate, Cursor
from mc_sched.link.varying import LOOP_NS, SteppedRate, fading, on_off

S = 10**9
STEPS = SteppedRate((0, S, 2 * S), (8_000_000, 0, 16_000_000), 3 * S)
"""1 MB in the first second, nothing in the second, 2 MB in the third."""


@pytest.mark.parametrize(
    ("at_s", "size_bytes", "free_s"),
    [
        (0, 500_000, 0.5),
        (0, 1_000_000, 1.0),  # the last byte leaves before the silence
        (0, 2_000_000, 2.5),
        (0.5, 1_000_000, 2.25),
        (1.5, 1_000_000, 2.5),
        (0, 3_000_000, 3.0),
        (0, 3_500_000, 3.5),  # the loop continues
        (7, 1_000_000, 8.5),
        (0, 6_000_000, 6.0),
        (0, 0, 0),
    ],
)
def test_bytes_leave_when_the_rate_has_carried_them(at_s, size_bytes, free_s):
    assert STEPS.send(Cursor(), round(at_s * S), size_bytes).free_ns == round(free_s * S)


def test_bytes_queue_behind_earlier_ones():
    first = STEPS.send(Cursor(), 0, 500_000)
    assert STEPS.send(first, 0, 500_000).free_ns == S


def test_the_mean_is_over_the_loop():
    assert STEPS.mean_bps == 8_000_000


@settings(deadline=None)
@given(
    rate=st.integers(1, 10**9), at_ns=st.integers(0, 10**11), size=st.integers(0, 10**6),
    period=st.integers(2, 10**10),
)  # fmt: skip
def test_a_single_rate_is_a_constant_rate(rate, at_ns, size, period):
    stepped = SteppedRate((0,), (rate,), period)
    assert stepped.send(Cursor(), at_ns, size) == ConstantRate(rate).send(Cursor(), at_ns, size)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**8)), min_size=1, max_size=6)
    .filter(lambda steps: any(rate for _, rate in steps)),
    at_ns=st.integers(0, 10**10), sizes=st.lists(st.integers(1, 10**5), min_size=2, max_size=4),
)  # fmt: skip
def test_one_send_or_several_take_the_same_time_but_for_rounding(steps, at_ns, sizes):
    starts = [sum(length for length, _ in steps[:i]) for i in range(len(steps))]
    rate = SteppedRate(
        tuple(starts), tuple(r for _, r in steps), sum(length for length, _ in steps)
    )
    cursor = Cursor()
    for size in sizes:
        cursor = rate.send(cursor, at_ns, size)
    whole = rate.send(Cursor(), at_ns, sum(sizes))
    assert whole.free_ns <= cursor.free_ns
    # each rounding may cost a nanosecond's bits, which in a slow step take their time
    slack = rate.send(whole, whole.free_ns, len(sizes) * (max(rate.rates_bps) // (8 * S) + 1))
    assert cursor.free_ns <= slack.free_ns


@pytest.mark.parametrize(
    ("starts", "rates", "period"),
    [((), (), 5), ((1,), (1,), 5), ((0,), (0,), 5), ((0,), (-1,), 5), ((0, 5), (1, 1), 5)],
)
def test_invalid_rates_are_an_error(starts, rates, period):
    with pytest.raises(ValueError, match=r"first rate must start|rates must be"):
        SteppedRate(starts, rates, period)


def test_on_and_off_have_the_given_shares_of_time():
    chain = on_off(10_000_000, 9 * S, S, "seed")
    assert chain.period_ns == LOOP_NS
    assert set(chain.rates_bps) == {0, 10_000_000}
    assert chain.mean_bps == pytest.approx(9_000_000, rel=0.1)
    assert chain == on_off(10_000_000, 9 * S, S, "seed") != on_off(10_000_000, 9 * S, S, "other")


def test_fading_changes_to_neighbours_only():
    levels = [0.25, 0.5, 1.0]
    chain = fading(8_000_000, levels, S, "seed")
    places = [[2_000_000, 4_000_000, 8_000_000].index(rate) for rate in chain.rates_bps]
    assert {abs(a - b) for a, b in itertools.pairwise(places)} == {1}
    assert set(places) == {0, 1, 2}


def test_a_chain_that_starts_with_a_long_pause_still_carries_bytes():
    chains = [on_off(1000, LOOP_NS, 10 * LOOP_NS, str(seed)) for seed in range(20)]
    assert all(max(chain.rates_bps) > 0 for chain in chains)
