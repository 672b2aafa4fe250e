"""The options that policies choose from."""

import pytest

from mc_sched.core.policies.options import fastest_cloud_choice, probability_beyond
from mc_sched.core.policy import SiteForecast
from tests.core.policies.views import (
    FAR,
    FORBIDDEN,
    NEAR,
    TASK,
    UNREACHABLE,
    cloud_short,
    edge_short,
    near,
    view,
)
from tests.core.round_figures import ns


def test_the_first_exit_that_is_accurate_enough():
    assert fastest_cloud_choice(TASK, view()) == NEAR
    assert fastest_cloud_choice(TASK, view(accuracy=0.78)) == FAR


def test_by_the_mean_if_requested():
    assert fastest_cloud_choice(TASK, view(remaining_ns=ns(30)), upper=False) == NEAR
    assert fastest_cloud_choice(TASK, view(remaining_ns=ns(30))) == cloud_short(
        "deadline", ns(40), ns(30)
    )


def test_a_refusal_names_the_least_time_of_all_acceptable_exits():
    slow_head = near(upper_ns=ns(70))
    assert fastest_cloud_choice(
        TASK, view(cloud=(slow_head, FAR), remaining_ns=ns(50))
    ) == cloud_short("deadline", ns(60), ns(50))


def test_the_closest_exit_to_the_input_even_if_another_is_faster():
    slow_head = near(upper_ns=ns(70))
    assert fastest_cloud_choice(TASK, view(cloud=(slow_head, FAR))) == slow_head


def test_a_probability_is_a_half_at_the_mean_and_a_twentieth_at_the_upper_quantile():
    site = SiteForecast(0.9, ns(50), ns(60), 0.1)
    assert probability_beyond(ns(50), site) == pytest.approx(0.5)
    assert probability_beyond(ns(60), site) == pytest.approx(0.05, abs=1e-3)
    assert probability_beyond(ns(80), site, after_ns=ns(20)) == pytest.approx(0.05, abs=1e-3)


# --- sentences of shortfalls ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shortfall", "sentence"),
    [
        (
            edge_short("deadline", ns(20), ns(12.5)),
            "edge needs 20.0 ms, 12.5 ms are left: 7.5 ms too long",
        ),
        (
            cloud_short("accuracy", 0.95, 0.91),
            "cloud reaches accuracy 0.910, 0.950 is required",
        ),
        (FORBIDDEN, "cloud is not allowed by the stream's privacy setting"),
        (UNREACHABLE, "cloud is not reachable"),
        (edge_short("capacity", 9, 8), "edge has 8 tasks waiting, its limit"),
    ],
)
def test_a_shortfall_names_the_constraint_and_the_difference(shortfall, sentence):
    assert shortfall.sentence() == sentence
