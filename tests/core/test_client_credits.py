"""Credits of clients: shares, the size of the pool, and that it always comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc_sched.core.client_credits import (
    HELD_NS,
    INTERVAL_NS,
    LEAST,
    MOST,
    RECENT_NS,
    RECOVERY_NS,
    SHORTEST_NS,
    TARGET,
    ClientCredits,
)
from mc_sched.core.task import Outcome, OutcomeKind, RefusalCode

DEADLINE_NS = 84_000_000


def outcome(kind=OutcomeKind.SUCCEEDED, refusal=None):
    return Outcome("t", "", kind, 0, refusal=refusal)


REFUSED = outcome(OutcomeKind.REFUSED, RefusalCode.INFEASIBLE)


@pytest.fixture
def credits():
    made = ClientCredits()
    made.joined("a")
    made.joined("b")
    return made


def open_all(credits, now_ns, client):
    """Open as many tasks of a client as it may have; return their number."""
    count = 0
    while credits.came(now_ns, client):
        count += 1
    return count


def wait_long(credits, now_ns, share=1.0):
    """Let tasks wait for this share of their deadline, twice the interval of a look."""
    for moment_ns in (now_ns, now_ns + INTERVAL_NS, now_ns + 2 * INTERVAL_NS):
        credits.started(moment_ns, int(share * DEADLINE_NS), DEADLINE_NS)


def test_one_client_may_use_the_whole_pool(credits):
    assert credits.grant(0, "a") == MOST
    assert open_all(credits, 0, "a") == MOST


def test_a_client_that_comes_later_has_an_equal_share_all_the_same(credits):
    open_all(credits, 0, "a")
    assert open_all(credits, 1, "b") == MOST // 2
    assert credits.grant(2, "a") == MOST // 2


def test_long_waits_shrink_the_pool_and_short_ones_do_not(credits):
    open_all(credits, 0, "a")
    wait_long(credits, 0, TARGET * 0.9)
    assert credits.size(3 * INTERVAL_NS) == MOST
    wait_long(credits, 4 * INTERVAL_NS, TARGET * 2)
    assert credits.size(6 * INTERVAL_NS) < MOST


def test_waits_of_hopeless_deadlines_do_not_shrink_it(credits):
    for number in range(100):
        credits.started(number * INTERVAL_NS, SHORTEST_NS, SHORTEST_NS - 1)
    assert credits.size(100 * INTERVAL_NS) == MOST
    for number in range(100, 103):
        credits.started(number * INTERVAL_NS, SHORTEST_NS, SHORTEST_NS)
    assert credits.size(103 * INTERVAL_NS) < MOST


def test_late_tasks_shrink_it_too(credits):
    for number in range(5):
        credits.came(number * INTERVAL_NS, "a")
        credits.ended(number * INTERVAL_NS, "a", outcome(OutcomeKind.LATE))
    assert credits.size(5 * INTERVAL_NS) < MOST


def test_the_pool_keeps_a_site_busy_however_long_the_waits_are(credits):
    for number in range(100):
        wait_long(credits, number * 3 * INTERVAL_NS)
    assert credits.size(300 * INTERVAL_NS) >= LEAST


def test_an_idle_pool_is_whole_again_after_its_recovery(credits):
    open_all(credits, 0, "a")
    wait_long(credits, 0)
    assert credits.size(2 * INTERVAL_NS + RECOVERY_NS) == MOST


def test_a_grant_in_flight_may_be_used_for_a_second(credits):
    assert credits.grant(0, "a") == MOST
    wait_long(credits, 1)
    assert credits.grant(2 * INTERVAL_NS, "a") < MOST // 2
    assert open_all(credits, 3 * INTERVAL_NS, "a") == MOST
    later_ns = RECENT_NS + 3 * INTERVAL_NS
    for moment_ns in range(2 * INTERVAL_NS, later_ns, 2 * INTERVAL_NS):
        wait_long(credits, moment_ns)
    assert not credits.came(later_ns, "a")


def test_a_grant_holds_until_a_smaller_one_has_been_sent(credits):
    assert credits.grant(0, "a") == MOST
    later_ns = 10 * RECENT_NS
    credits.came(later_ns, "b")
    wait_long(credits, later_ns)
    assert open_all(credits, later_ns + 3 * INTERVAL_NS, "a") == MOST


def test_the_credit_of_a_task_that_the_load_refused_comes_back_later(credits):
    before = credits.grant(0, "a")
    credits.came(0, "a")
    credits.ended(0, "a", REFUSED)
    assert credits.grant(1, "a") == before - 1
    assert credits.grant(HELD_NS, "a") == before


@pytest.mark.parametrize("end", [outcome(), outcome(OutcomeKind.FAILED), None,
                                 outcome(OutcomeKind.REFUSED, RefusalCode.DRAINING)])  # fmt: skip
def test_any_other_credit_comes_back_at_once(credits, end):
    before = credits.grant(0, "a")
    credits.came(0, "a")
    credits.ended(0, "a", end)
    assert credits.grant(1, "a") == before


STEPS = st.lists(
    st.tuples(
        st.integers(0, 200_000_000),
        st.sampled_from("ab"),
        st.sampled_from(["come", "end", "late", "refused", "wait", "grant"]),
    ),
    max_size=200,
)


@given(STEPS)
def test_whatever_happens_every_client_has_a_credit_and_a_second_later_the_pool_is_whole(steps):
    credits, now_ns, open_tasks = ClientCredits(), 0, {"a": 0, "b": 0}
    for client in open_tasks:
        credits.joined(client)
    for after_ns, client, step in steps:
        now_ns += after_ns
        if step == "come":
            open_tasks[client] += credits.came(now_ns, client)
        elif step == "wait":
            credits.started(now_ns, DEADLINE_NS, DEADLINE_NS)
        elif step == "grant":
            assert 1 <= credits.grant(now_ns, client) <= MOST
        elif open_tasks[client]:
            open_tasks[client] -= 1
            ends = {"end": outcome(), "late": outcome(OutcomeKind.LATE), "refused": REFUSED}
            credits.ended(now_ns, client, ends[step])
        assert all(count <= MOST for count in open_tasks.values())
    for client, count in open_tasks.items():
        for _ in range(count):
            credits.ended(now_ns, client, outcome())
    now_ns += RECOVERY_NS
    assert credits.size(now_ns) == MOST
    assert credits.grant(now_ns, "a") == MOST


def test_late_offloads_cut_no_credits():
    """They show the link or the cloud, while the device itself may be idle."""
    credits = ClientCredits()
    credits.joined("a")
    late = Outcome("t", "", OutcomeKind.LATE, 0, codec="jpeg")
    for number in range(20):
        assert credits.came(number * INTERVAL_NS, "a")
        credits.ended(number * INTERVAL_NS, "a", late)
    assert credits.size(20 * INTERVAL_NS) == MOST
