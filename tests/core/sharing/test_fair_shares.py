"""Max-min fair shares."""

from hypothesis import given
from hypothesis import strategies as st

from mc_sched.core.sharing.fair_shares import Use, fair_shares

USES = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.builds(
        lambda most, part: Use(most, part * most), st.integers(1, 100), st.floats(0.0, 1.0)
    ),
    max_size=20,
)  # fmt: skip


def greedy(*most: int) -> dict[str, Use]:
    """Edges that use all that they can."""
    return {f"edge{number}": Use(one, float(one)) for number, one in enumerate(most)}


def shares(size: int, *most: int) -> list[int]:
    return list(fair_shares(size, greedy(*most)).values())


def test_each_gets_what_it_can_use_and_an_equal_part_of_the_rest():
    assert shares(16, 1, 2, 3) == [4, 5, 6]


def test_scarce_places_are_divided_equally():
    assert shares(12, 50, 50, 50) == [4, 4, 4]


def test_an_edge_that_can_use_less_leaves_the_rest_to_the_others():
    assert shares(12, 2, 50, 50) == [2, 5, 5]


def test_the_first_edges_get_the_places_that_do_not_divide_equally():
    assert shares(11, 50, 50, 50) == [4, 4, 3]


def test_every_edge_gets_one_place_even_if_there_are_fewer():
    assert shares(2, 5, 5, 5) == [1, 1, 1]


def test_an_edge_that_needs_little_on_average_may_use_more_for_a_moment():
    got = fair_shares(12, {"bursts": Use(8, 1.0), "greedy": Use(50, 50.0)})
    assert got == {"bursts": 8, "greedy": 9}  # one place and two deviations are set aside


def test_a_greedy_edge_keeps_its_equal_share_beside_modest_ones():
    got = fair_shares(12, {"modest": Use(6, 4.0), "greedy": Use(50, 50.0)})
    assert got["greedy"] == 6


@given(st.integers(0, 200), USES)
def test_an_edge_gets_what_it_can_use_or_an_equal_share(size, edges):
    got = fair_shares(size, edges)
    assert got.keys() == edges.keys()
    for edge_id, use in edges.items():
        assert got[edge_id] >= max(1, min(use.most, size // len(edges)))


@given(st.integers(0, 200), st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_greedy_edges_get_no_more_places_than_there_are(size, most):
    assert sum(shares(size, *most)) <= max(size, len(most))


@given(st.integers(1, 200), st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_no_place_is_left_while_a_greedy_edge_could_use_it(size, most):
    assert sum(shares(size, *most)) >= min(size, sum(most))
