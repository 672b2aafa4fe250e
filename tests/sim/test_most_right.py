"""The largest ratio of right answers to joules, compared with all possible choices."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc_sched.sim.most_right import Answers, Option, most_right

options = st.builds(
    Option, st.sampled_from((0.5, 0.75, 0.9)), st.sampled_from((0.1, 0.2, 0.7)), st.booleans()
)
tasks = st.lists(st.lists(options, min_size=1, max_size=3), min_size=1, max_size=4)


@given(tasks, st.sampled_from((0.0, 0.3)))
def test_no_choice_of_one_option_per_task_has_more(tasks, fixed_j):
    ratios = [
        sum(option.accuracy for option in chosen)
        / (fixed_j + sum(option.energy_j for option in chosen))
        for chosen in product(*tasks)
    ]
    assert most_right(tasks, fixed_j).expected_per_j == pytest.approx(max(ratios))


def test_a_deeper_exit_is_worth_joules_and_an_expensive_task_is_served():
    near, deep = Option(0.8, 0.30, right=False), Option(0.92, 0.33, right=True)
    dear = Option(0.9, 2.4, right=True)
    assert most_right([[near, deep], [near, deep], [dear]], 0.0) == Answers(
        pytest.approx(2.74), 3, pytest.approx(3.06)
    )


def test_tasks_without_options_cost_only_the_fixed_joules():
    assert most_right([[], []], 0.4) == Answers(0.0, 0, 0.4)
    assert most_right([], 0.0).expected_per_j == 0.0
