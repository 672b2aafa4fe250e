"""Hidden waits of messages, from their senders' stamps."""

from hypothesis import given
from hypothesis import strategies as st

from mc_sched.core.predictors.transit_delay import HORIZON_NS, LONGEST_NS, TransitDelay

MS, S = 10**6, 10**9
APART_NS = 7 * MS
"""From the sender's opening of the stream to the receiver's, plus the fastest path."""


def waits_ms(delay, *sent_and_waited_ms):
    """Hidden waits of messages that were sent and have waited so long, rounded to ms."""
    return [
        round(delay.hidden_ns(sent * MS + waited * MS + APART_NS, sent * MS) / MS)
        for sent, waited in sent_and_waited_ms
    ]


def test_a_message_that_waits_longer_than_the_fastest_is_seen_to_wait():
    assert waits_ms(TransitDelay(), (10, 0), (20, 30), (30, 80), (200, 0)) == [0, 30, 80, 0]


def test_the_first_message_stands_for_no_wait_until_a_faster_one_comes():
    assert waits_ms(TransitDelay(), (10, 40), (20, 40), (60, 0), (70, 40)) == [0, 0, 0, 40]


def test_a_sender_without_times_is_not_held_to_wait():
    delay = TransitDelay()
    waits_ms(delay, (10, 0))
    assert delay.hidden_ns(50 * S, 0) == 0
    assert waits_ms(delay, (20, 5)) == [5]


def test_a_socket_that_stays_full_for_seconds_counts_as_full_all_the_time():
    delay = TransitDelay()
    waits_ms(delay, (10, 0))
    assert set(waits_ms(delay, *((sent, 100) for sent in range(20, 20_000, 100)))) <= {98, 99, 100}


def test_clocks_that_drift_apart_show_no_wait():
    delay = TransitDelay()
    for second in range(1, 600):
        assert delay.hidden_ns(second * S + second * 90_000, second * S) == 0


def test_clocks_that_drift_faster_are_wrong_by_little():
    delay = TransitDelay()
    for second in range(1, 600):
        assert delay.hidden_ns(second * S + second * 200_000, second * S) <= 30 * 100_000


def test_a_longer_path_counts_as_a_wait_until_the_shorter_one_is_forgotten():
    delay = TransitDelay()
    waits_ms(delay, (10, 0))
    assert waits_ms(delay, (20_000, 50))[0] in (48, 49, 50)
    assert delay.hidden_ns(20 * S + HORIZON_NS + 1 + 50 * MS + APART_NS, 20 * S + HORIZON_NS) == 0


def test_a_clock_that_stood_still_is_no_wait():
    delay = TransitDelay()
    waits_ms(delay, (10, 0))
    after_ns = LONGEST_NS + S
    assert delay.hidden_ns(after_ns + 20 * MS, 20 * MS) == 0
    assert delay.hidden_ns(after_ns + 35 * MS, 30 * MS) > 4 * MS


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))))
def test_no_stamp_gives_a_negative_or_an_endless_wait(stamps):
    delay, now_ns = TransitDelay(), 0
    for after_ns, sent_ns in stamps:
        now_ns += after_ns
        assert 0 <= delay.hidden_ns(now_ns, sent_ns) <= LONGEST_NS
