"""Credits: the size of the pool, its division among edges, and what they are for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from tests.core.round_figures import at, ns
from tests.core.windows import CAPACITY_PER_S, S, WindowedEdge, Windows

POOL = 56
"""Places in the pool of a cloud with the default `max_tasks` of 64."""


def join(cloud, ms, edge_id="edge"):
    return cloud.tell(ms, ev.EdgeJoined, edge_id)


def grants(actions):
    return [action for action in actions if isinstance(action, do.Grant)]


def want(cloud, ms, wanted, edge_id="edge"):
    return grants(cloud.tell(ms, ev.CreditsWanted, edge_id, wanted))


def overload(cloud, ms):
    """Let 30 tasks arrive, of which the cloud can serve a few, and finish them."""
    for number in range(30):
        cloud.arrive(ms + number / 10, f"{ms}/{number}", budget=60)
    while cloud.piece is not None:
        cloud.step()


# --- grants -----------------------------------------------------------------------------------


def test_an_edge_that_joins_an_idle_cloud_gets_the_whole_pool(cloud):
    assert join(cloud, 0) == [do.Grant("edge", POOL)]


def test_idle_edges_share_the_pool_equally(cloud):
    join(cloud, 0, "a")
    assert join(cloud, 100, "b") == [do.Grant("a", POOL // 2), do.Grant("b", POOL // 2)]


def test_edges_that_join_at_once_get_equal_shares_one_after_the_other(cloud):
    join(cloud, 0, "a")
    assert join(cloud, 0, "b") == [do.Grant("b", POOL // 2)]
    assert join(cloud, 0, "c") == [do.Grant("c", POOL // 3)]
    later = {grant.edge_id: grant.credits for grant in grants(cloud.tell(100, ev.EdgeLeft, "?"))}
    assert later == {"a": POOL // 3, "b": POOL // 3}


def test_the_places_of_an_edge_that_leaves_go_to_the_others(cloud):
    join(cloud, 0, "a")
    join(cloud, 100, "b")
    assert grants(cloud.tell(500, ev.EdgeLeft, "b")) == [do.Grant("a", POOL)]


def test_an_edge_with_two_sessions_is_known_until_both_have_ended(cloud):
    join(cloud, 0)
    assert join(cloud, 1) == [do.Grant("edge", POOL)]
    cloud.tell(2, ev.EdgeLeft, "edge")
    assert want(cloud, 500, POOL + 10) == []
    assert cloud.machine.wanted_not_granted(at(500)) == 10
    cloud.tell(501, ev.EdgeLeft, "edge")
    assert cloud.machine.wanted_not_granted(at(502)) == 0


def test_an_edge_that_wants_more_takes_what_the_others_do_not_use(cloud):
    for edge_id in "abcd":
        join(cloud, 0, edge_id)
    assert do.Grant("a", 44) in want(cloud, 100, 40, "a")


def test_unknown_edges_get_nothing(cloud):
    assert want(cloud, 0, 5, "nobody") == []
    assert cloud.tell(1, ev.EdgeLeft, "nobody") == []


def test_what_is_wanted_is_forgotten_within_a_second(cloud):
    join(cloud, 0)
    want(cloud, 100, POOL + 44)
    assert cloud.machine.wanted_not_granted(at(100)) == 44
    assert cloud.machine.wanted_not_granted(at(1100)) == 0


def test_without_credits_each_edge_may_use_the_whole_node(make_cloud):
    cloud = make_cloud(credits=False)
    assert join(cloud, 0, "a") == [do.Grant("a", 64)]
    assert join(cloud, 1, "b") == [do.Grant("b", 64)]
    overload(cloud, 100)
    assert want(cloud, 1000, 500, "a") == []


def test_a_reload_changes_the_pool(cloud):
    join(cloud, 0)
    smaller = ev.CloudReconfigured(at(100), type(cloud.machine._credits._settings)(max_tasks=16))
    assert cloud.handle(smaller) == [do.Grant("edge", 14)]


def test_an_edge_gets_a_credit_for_each_task_on_its_link(cloud):
    join(cloud, 0)
    for number in range(50):  # 50 answers in a second over a round trip of 200 ms
        cloud.arrive(20 * number, f"t{number}", budget=900, down=100.0)
        while cloud.piece is not None:
            cloud.step()
    assert cloud.machine._credits._edges["edge"].on_link(at(1000)) == pytest.approx(10, abs=1)


def test_an_edge_gets_no_credit_for_tasks_that_are_refused(cloud):
    join(cloud, 0)
    for number in range(50):
        cloud.arrive(20 * number, f"t{number}", budget=101, down=100.0)
    assert cloud.machine._credits._edges["edge"].on_link(at(1000)) == 0


# --- the size of the pool ---------------------------------------------------------------------


def test_the_pool_shrinks_if_tasks_wait_for_too_long(cloud):
    join(cloud, 0)
    overload(cloud, 100)
    assert cloud.machine._credits.size(cloud.now_ns) < 30


def test_the_pool_is_whole_a_second_later_without_any_event(cloud):
    join(cloud, 0)
    overload(cloud, 100)
    later_ns = cloud.now_ns + S
    assert cloud.machine._credits.size(later_ns) == POOL
    assert grants(cloud.handle(ev.LinkSampled(later_ns, ns(10), edge_id="edge"))) == [
        do.Grant("edge", POOL)
    ]


def test_a_task_that_would_be_late_on_an_idle_node_does_not_shrink_the_pool(cloud):
    join(cloud, 0)
    for number in range(100):
        cloud.arrive(10 * number, f"t{number}", budget=12)
    assert cloud.machine._credits.size(cloud.now_ns) == POOL


# --- what credits are for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget_ms", "rtt_ms", "edges"), [(16, 2, 1), (84, 10, 5), (84, 40, 1), (1000, 10, 5)]
)
def test_ten_times_the_load_keeps_the_goodput_and_hardly_any_task_is_sent_in_vain(
    budget_ms, rtt_ms, edges
):
    per_s = 10 * CAPACITY_PER_S / edges
    senders = [WindowedEdge(f"e{n}", per_s, rtt_ms, budget_ms) for n in range(edges)]
    history = Windows(*senders).run(4)
    assert history.total("good") >= 0.95 * 4 * CAPACITY_PER_S
    assert history.total("refused") + history.total("stopped") <= 0.2 * history.total("good")
    assert history.total("late") <= 0.01 * history.total("good")
    assert history.total("sent") <= 0.15 * history.total("offered")


def test_long_links_fill_the_node_as_well():
    senders = [WindowedEdge(f"e{number}", 400, rtt_ms=150, budget_ms=300) for number in range(5)]
    history = Windows(*senders).run(6)
    last_ns = [at_ns for edge in senders for at_ns in edge.good_ns if at_ns > 2 * S]
    assert len(last_ns) >= 0.95 * 4 * CAPACITY_PER_S
    assert history.total("late") <= 0.01 * history.total("good")


@pytest.mark.parametrize("per_s", [20, 40, 100])
def test_an_edge_at_ten_times_its_rate_does_not_starve_another(per_s):
    alone, beside = WindowedEdge("modest", per_s), WindowedEdge("modest", per_s)
    greedy = WindowedEdge("greedy", max(10 * per_s, 2 * CAPACITY_PER_S))
    Windows(alone).run(8)
    Windows(beside, greedy).run(8)
    assert beside.goodput >= 0.95 * alone.goodput


def test_without_credits_it_does():
    modest, greedy = WindowedEdge("modest", 40), WindowedEdge("greedy", 2 * CAPACITY_PER_S)
    Windows(modest, greedy, credits=False).run(3)
    assert modest.goodput < 0.8


def test_goodput_is_back_within_a_second_of_a_burst():
    burst = [WindowedEdge(f"b{n}", CAPACITY_PER_S, until_s=2) for n in range(10)]
    steady = WindowedEdge("steady", 100)
    Windows(steady, *burst).run(5)
    after = sum(at_ns > 3 * S for at_ns in steady.good_ns)
    assert after >= 0.9 * 2 * 100


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.builds(
            WindowedEdge, st.uuids().map(str), st.floats(1, 800), st.sampled_from((1, 10, 60)),
            st.sampled_from((30, 84, 500)), st.floats(0, 0.5), st.floats(0.5, 2),
        ),
        min_size=1, max_size=8, unique_by=lambda edge: edge.name,
    ),
    st.integers(0, 1000),
)  # fmt: skip
def test_any_edges_have_a_credit_each_and_the_node_is_never_overfull(edges, seed):
    history = Windows(*edges, seed=seed).run(2.5)
    assert all(grant.credits >= 1 for _, grant in history.grants)
    assert all(edge.credits >= 1 for edge in edges)
    assert history.most_open <= 64
    assert len(history.grants) <= 2.5 * 100 * len(edges)
