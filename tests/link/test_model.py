"""Departures, queueing and outages, all in virtual time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.link.model import (
    KINDS,
    PACKET_BYTES,
    ConstantRate,
    LinkKind,
    LinkSpec,
    Outage,
    Rate,
    Shaper,
    TraceRate,
    Unlimited,
    mbps,
)

MS = 1_000_000
S = 1_000_000_000


def shaper(rate: Rate, start_ns: int = 0, outages: tuple[Outage, ...] = ()) -> Shaper:
    return LinkSpec(up=rate, down=Unlimited(), outages=outages).uplink(start_ns)


def test_a_chunk_leaves_after_its_time_at_the_rate() -> None:
    assert shaper(mbps(8)).departure_ns(0, 1000) == 1 * MS


def test_a_chunk_queues_behind_earlier_ones() -> None:
    up = shaper(mbps(8))
    up.departure_ns(0, 1000)
    assert up.departure_ns(0, 500) == 1.5 * MS


def test_idle_time_of_a_link_is_lost() -> None:
    up = shaper(mbps(8))
    up.departure_ns(0, 1000)
    assert up.departure_ns(10 * MS, 1000) == 11 * MS


def test_the_start_of_the_link_does_not_matter_to_a_constant_rate() -> None:
    assert shaper(mbps(8), start_ns=5 * S).departure_ns(7 * S, 1000) == 7 * S + MS


def test_an_unlimited_link_only_delays() -> None:
    up = replace(KINDS["ideal"], rtt_ns=10 * MS).uplink(0)
    assert up.arrival_ns(3, 10**9) == 3 + 5 * MS


def test_arrival_is_departure_plus_half_the_round_trip() -> None:
    up = KINDS["wifi"].uplink(0)
    assert up.arrival_ns(0, 1500) == -(-1500 * 8 * S // 18_880_000) + 5 * MS


def test_jitter_is_seeded_bounded_and_keeps_the_order() -> None:
    spec = LinkSpec(up=mbps(100), down=mbps(100), rtt_ns=10 * MS, jitter_ns=3 * MS, seed=7)

    def arrivals() -> list[int]:
        up = spec.uplink(0)
        return [up.arrival_ns(at * MS, 100) for at in range(50)]

    first = arrivals()
    assert first == arrivals() == sorted(first)
    waits_ns = [at_ns - index * MS - 8_000 for index, at_ns in enumerate(first)]
    assert all(5 * MS <= wait_ns <= 8 * MS for wait_ns in waits_ns)
    assert len(set(waits_ns)) > 10


def test_jitter_depends_on_the_time_and_not_on_other_bytes() -> None:
    spec = LinkSpec(up=mbps(100), down=mbps(100), jitter_ns=10 * MS, seed=7)
    busy, quiet = spec.uplink(0), spec.uplink(0)
    for at in range(0, 900, 30):
        busy.arrival_ns(at * MS, 100)
    assert busy.arrival_ns(1000 * MS, 100) == quiet.arrival_ns(1000 * MS, 100)


def test_jitter_is_uniform_between_0_and_its_limit() -> None:
    up = LinkSpec(up=mbps(1000), down=mbps(1000), jitter_ns=10 * MS).uplink(0)
    waits_ns = sorted(up.arrival_ns(at * 83 * MS, 0) - at * 83 * MS for at in range(1000))
    for tenth in range(11):
        expected_ns = tenth * MS
        assert abs(waits_ns[min(999, tenth * 100)] - expected_ns) < 0.6 * MS


def test_a_trace_delivers_at_its_opportunities() -> None:
    up = shaper(TraceRate((2 * MS, 5 * MS, 5 * MS, 9 * MS)))
    assert up.departure_ns(0, PACKET_BYTES) == 2 * MS
    assert up.departure_ns(0, 2 * PACKET_BYTES) == 5 * MS
    assert up.departure_ns(0, 1) == 9 * MS


def test_small_chunks_share_an_opportunity() -> None:
    up = shaper(TraceRate((2 * MS, 5 * MS)))
    assert [up.departure_ns(0, 700) for _ in range(3)] == [2 * MS, 2 * MS, 5 * MS]


def test_an_opportunity_that_has_passed_is_lost() -> None:
    up = shaper(TraceRate((2 * MS, 5 * MS)))
    up.departure_ns(0, 700)
    assert up.departure_ns(3 * MS, 700) == 5 * MS


def test_a_trace_loops_with_its_last_time_as_period() -> None:
    up = shaper(TraceRate((2 * MS, 5 * MS)))
    departures = [up.departure_ns(0, PACKET_BYTES) for _ in range(5)]
    assert departures == [2 * MS, 5 * MS, 7 * MS, 10 * MS, 12 * MS]
    assert shaper(TraceRate((2 * MS, 5 * MS))).departure_ns(1001 * MS, 1) == 1002 * MS


def test_a_trace_counts_from_the_start_of_the_link() -> None:
    assert shaper(TraceRate((2 * MS, 5 * MS)), start_ns=S).departure_ns(S, 1) == S + 2 * MS


def test_the_mean_rate_of_a_trace() -> None:
    assert TraceRate((500 * MS, 1000 * MS)).mean_bps == 2 * PACKET_BYTES * 8


@pytest.mark.parametrize("rate", [mbps(12), TraceRate((1 * MS,))], ids=["constant", "trace"])
def test_nothing_leaves_in_an_outage(rate: Rate) -> None:
    up = shaper(rate, outages=(Outage(10 * MS, 5 * MS), Outage(2 * MS, 3 * MS)))
    departures_ms = [up.departure_ns(0, PACKET_BYTES) / MS for _ in range(8)]
    first_after = 6 if isinstance(rate, ConstantRate) else 5
    expected = [1, 2, *range(first_after, 11)]
    assert departures_ms[: len(expected)] == expected
    last = up.departure_ns(0, 20 * PACKET_BYTES)
    assert last > 15 * MS


def test_a_large_chunk_continues_after_an_outage() -> None:
    up = shaper(mbps(12), outages=(Outage(5 * MS, 100 * MS),))
    assert up.departure_ns(0, 10 * PACKET_BYTES) == 110 * MS


def test_the_kinds_have_the_published_rates() -> None:
    rates = {
        kind: (round(spec.down.mean_bps / 1e6, 2), round(spec.up.mean_bps / 1e6, 2))
        for kind, spec in KINDS.items()
        if kind != LinkKind.IDEAL.value
    }
    assert rates == {"wifi": (54.97, 18.88), "4g": (13.76, 5.85), "3g": (2.03, 1.10)}
    assert [KINDS[kind].rtt_ns // MS for kind in ("wifi", "4g", "3g")] == [10, 70, 150]
    assert set(KINDS) == {kind.value for kind in LinkKind}


def test_invalid_links_are_refused() -> None:
    with pytest.raises(ValueError, match="carries nothing"):
        ConstantRate(0)
    with pytest.raises(ValueError, match="delivery opportunity"):
        TraceRate((0, 0))
    with pytest.raises(ValueError, match="outage"):
        Outage(0, 0)
    with pytest.raises(ValueError, match="round trip"):
        LinkSpec(up=Unlimited(), down=Unlimited(), rtt_ns=-1)


rates = st.one_of(
    st.integers(10_000, 10**9).map(ConstantRate),
    st.lists(st.integers(1, 50), min_size=1, max_size=20).map(
        lambda times_ms: TraceRate(tuple(sorted(time_ms * MS for time_ms in times_ms)))
    ),
)
outages = st.lists(
    st.builds(Outage, st.integers(0, 300 * MS), st.integers(1, 100 * MS)), max_size=3
).map(tuple)
chunks = st.lists(st.tuples(st.integers(0, 30 * MS), st.integers(1, 6000)), max_size=30)


def most_bytes(rate: Rate, from_ns: int, to_ns: int) -> float:
    """Return the bytes that may leave from `from_ns` to `to_ns`; a trace may add one packet."""
    if isinstance(rate, TraceRate):
        opportunities = rate.first_at(to_ns + 1) - rate.first_at(from_ns)
        return (opportunities + 1) * PACKET_BYTES
    return (to_ns - from_ns) * rate.mean_bps / 8 / S + 1e-3


@settings(deadline=None)
@given(rates, chunks, outages)
def test_departures_are_monotone_and_never_faster_than_the_rate(
    rate: Rate, chunks: list[tuple[int, int]], outages: tuple[Outage, ...]
) -> None:
    up = shaper(rate, outages=outages)
    now_ns, sent_bytes, last_ns = 0, 0, 0
    for gap_ns, size_bytes in chunks:
        now_ns += gap_ns
        departure_ns = up.departure_ns(now_ns, size_bytes)
        sent_bytes += size_bytes
        assert departure_ns >= max(last_ns, now_ns)
        assert sent_bytes <= most_bytes(rate, 0, departure_ns)
        assert size_bytes <= most_bytes(rate, max(last_ns, now_ns), departure_ns)
        assert not any(out.start_ns < departure_ns < out.end_ns for out in outages)
        last_ns = departure_ns


@given(rates, st.integers(0, 10**12))
def test_the_first_opportunity_is_the_earliest_not_before_now(rate: Rate, now_ns: int) -> None:
    if isinstance(rate, TraceRate):
        first = rate.first_at(now_ns)
        assert rate.time_ns(first) >= now_ns
        assert first == 0 or rate.time_ns(first - 1) < now_ns
