"""Algorithm II, step 1: the acceptable exit closest to the input, or a refusal with its reason."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Refuse, RunStage
from mc_sched.core.tables import Codec
from mc_sched.core.task import ExitRule, RefusalCode
from tests.core.round_figures import CLOUD, MS, ns

EARLIEST = ExitRule.EARLIEST
LITTLE = 1e-3


def accept(task_id, exit_, predicted, queue=0):
    return Accept(task_id, exit_, ns(predicted), ns(queue))


# --- the target -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accuracy", "exit_", "path"),
    [
        (0.0, "exit0", 5),
        (0.60, "exit0", 5),
        (0.61, "exit1", 9),
        (0.77, "exit1", 9),
        (0.83, "exit2", 13),
        (0.84, "exit3", 17),
        (0.94, "exit4", 21),
    ],
)
def test_the_target_is_the_acceptable_exit_closest_to_the_input(cloud, accuracy, exit_, path):
    assert cloud.arrive(0, "a", 200, accuracy) == [
        accept("a", exit_, path),
        RunStage(("a",), 0),
    ]


@pytest.mark.parametrize("rule", ExitRule)
def test_whatever_the_exit_rule(cloud, rule):
    assert cloud.arrive(0, "a", 200, rule=rule)[0] == accept("a", "exit1", 9)


def test_it_is_the_closest_of_those_in_time(make_cloud):
    """A head of 8 ms makes exit0 slower than exit1."""
    exits = (replace(CLOUD.exits[0], head_ns=8 * MS), *CLOUD.exits[1:])
    cloud = make_cloud(replace(CLOUD, exits=exits))
    assert cloud.arrive(0, "a", 17, accuracy=0.5)[0] == accept("a", "exit0", 12)
    cloud.tell(1, ev.GiveUpReceived, "a")
    cloud.step()
    assert cloud.arrive(10, "b", 16, accuracy=0.5)[0] == accept("b", "exit1", 9)


def test_the_codec_has_its_own_accuracy(make_cloud):
    exits = tuple(
        replace(e, accuracy={**e.accuracy, "features": e.accuracy["jpeg"] - 0.02})
        for e in CLOUD.exits
    )
    codecs = (*CLOUD.codecs, Codec("features"))
    cloud = make_cloud(replace(CLOUD, exits=exits, codecs=codecs))
    assert cloud.arrive(0, "a", 200, 0.76, codec="features")[0] == accept("a", "exit2", 13)


# --- time: queue + path + downlink against the budget -----------------------------------------


def test_a_budget_of_path_and_downlink_is_enough(cloud):
    assert cloud.arrive(0, "a", 9 + 5, down=5)[0] == accept("a", "exit1", 9)


def test_a_little_less_is_refused_at_once_with_the_reason(cloud):
    reason = "the first acceptable exit needs 9.0 ms, 8.0 ms are left"
    assert cloud.arrive(0, "a", 9 + 5 - 1, down=5) == [Refuse("a", reason, RefusalCode.INFEASIBLE)]
    assert cloud.machine.is_idle


@pytest.mark.parametrize("budget", [0, 4])
def test_an_infeasible_budget_is_refused_at_once(cloud, budget):
    reason = "the first acceptable exit needs 9.0 ms, 0.0 ms are left"
    assert cloud.arrive(0, "a", budget) == [Refuse("a", reason, RefusalCode.INFEASIBLE)]


def test_a_refusal_names_the_least_time_of_all_acceptable_exits(make_cloud):
    exits = (replace(CLOUD.exits[0], head_ns=8 * MS), *CLOUD.exits[1:])
    cloud = make_cloud(replace(CLOUD, exits=exits))
    assert cloud.arrive(0, "a", 13, accuracy=0.5) == [
        Refuse(
            "a", "the first acceptable exit needs 9.0 ms, 8.0 ms are left", RefusalCode.INFEASIBLE
        )
    ]


def test_the_downlink_time_is_the_links_latest_state(cloud):
    cloud.tell(0, ev.LinkSampled, ns(30), 0, 1.0, "edge")
    assert cloud.arrive(0, "a", 9 + 15 - LITTLE, down=5)[0].task_id == "a"
    assert cloud.machine.is_idle
    assert cloud.arrive(0, "b", 9 + 15, down=5)[0] == accept("b", "exit1", 9)


def test_of_that_edge_only(cloud):
    cloud.tell(0, ev.LinkSampled, ns(30), 0, 1.0, "another")
    assert cloud.arrive(0, "a", 9 + 5, down=5, edge_id="edge")[0] == accept("a", "exit1", 9)


def test_times_are_the_upper_quantile_of_what_was_measured(cloud):
    cloud.arrive(0, "x", 200, accuracy=0.5, rule=EARLIEST)
    cloud.step(took=8)  # twice the profile
    cloud.step()
    assert cloud.arrive(20, "a", 18 + 5 - 1, down=5) == [
        Refuse(
            "a", "the first acceptable exit needs 18.0 ms, 17.0 ms are left", RefusalCode.INFEASIBLE
        )
    ]
    assert cloud.arrive(20, "b", 18 + 5, down=5)[0] == accept("b", "exit1", 18)


def test_before_anything_ran_the_quantile_is_above_the_profile(make_cloud):
    cloud = make_cloud(warmed_up=False)
    assert cloud.arrive(0, "a", 200)[0] == accept("a", "exit1", 1.3 * 9)


# --- the wait ---------------------------------------------------------------------------------


def test_work_that_is_due_earlier_is_waited_for(cloud):
    cloud.arrive(0, "x", 100, rule=EARLIEST)  # 9 ms, until its reply
    assert cloud.arrive(0, "y", 200, rule=EARLIEST) == [accept("y", "exit1", 9 + 9, queue=9)]
    assert cloud.arrive(0, "z", 300, rule=EARLIEST) == [accept("z", "exit1", 18 + 9, queue=18)]


def test_the_part_that_is_done_is_not(cloud):
    cloud.arrive(0, "x", 100, rule=EARLIEST)
    assert cloud.arrive(3, "y", 200) == [accept("y", "exit1", 6 + 9, queue=6)]


def test_nor_is_waiting_work_that_is_due_later(cloud):
    cloud.arrive(0, "x", 100, rule=EARLIEST)
    cloud.arrive(0, "y", 300, rule=EARLIEST)
    assert cloud.arrive(0, "a", 200) == [accept("a", "exit1", 9 + 9, queue=9)]


def test_a_wait_that_does_not_fit_is_a_refusal(cloud):
    cloud.arrive(0, "x", 20, rule=EARLIEST)
    assert cloud.arrive(0, "a", 9 + 9 + 5 - 1, down=5) == [
        Refuse(
            "a", "the first acceptable exit needs 9.0 ms, 8.0 ms are left", RefusalCode.INFEASIBLE
        )
    ]
    assert cloud.arrive(0, "b", 9 + 9 + 5, down=5) == [accept("b", "exit1", 18, queue=9)]


def test_an_urgent_task_waits_for_the_running_stage_only(cloud):
    cloud.arrive(0, "x", 500, accuracy=0.94)
    assert cloud.arrive(1, "a", 60) == [accept("a", "exit1", 3 + 9, queue=3)]


def test_and_for_the_head_that_follows_it(cloud):
    """Behind its last stage a task keeps the executor, whoever waits."""
    cloud.arrive(0, "x", 500, accuracy=0.6, rule=EARLIEST)
    assert cloud.arrive(1, "a", 30) == [accept("a", "exit1", 4 + 9, queue=4)]


def test_a_running_head_is_waited_for_and_no_more(cloud):
    cloud.arrive(0, "x", 100, accuracy=0.6, rule=EARLIEST)
    cloud.step()  # its head runs from 4 to 5
    assert cloud.arrive(4.5, "a", 200) == [accept("a", "exit1", 0.5 + 9, queue=0.5)]


def test_an_adaptive_task_past_its_target_answers_at_the_next_exit(cloud):
    cloud.arrive(0, "x", 100, accuracy=0.6)
    cloud.step()  # continues past exit0; exit1 is 5 ms away
    assert cloud.arrive(4, "a", 200) == [accept("a", "exit1", 5 + 9, queue=5)]


# --- refusals that have nothing to do with time -----------------------------------------------


def test_no_exit_is_accurate_enough(cloud):
    assert cloud.arrive(0, "a", 200, accuracy=0.95) == [
        Refuse(
            "a", "the best exit reaches accuracy 0.940, 0.950 is demanded", RefusalCode.INFEASIBLE
        )
    ]


def test_no_exit_knows_the_codec(make_cloud):
    cloud = make_cloud(replace(CLOUD, codecs=(*CLOUD.codecs, Codec("features"))))
    assert cloud.arrive(0, "a", 200, codec="features") == [
        Refuse(
            "a", "the best exit reaches accuracy 0.000, 0.750 is demanded", RefusalCode.INFEASIBLE
        )
    ]


def test_overload_is_refused(make_cloud):
    cloud = make_cloud(max_tasks=2)
    cloud.arrive(0, "a", 500)
    cloud.arrive(0, "b", 500)
    assert cloud.arrive(0, "c", 500) == [
        Refuse("c", "2 tasks are open already, the limit max_tasks", RefusalCode.TOO_MANY_TASKS)
    ]
    cloud.tell(1, ev.GiveUpReceived, "b")
    assert cloud.arrive(1, "d", 500)[0].task_id == "d"
    assert not isinstance(cloud.arrive(2, "e", 500)[0], Accept)


def test_draining_refuses_new_tasks_and_finishes_the_others(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.arrive(0, "b", 500, rule=EARLIEST)
    assert cloud.tell(1, ev.Drain) == []
    assert cloud.arrive(2, "c", 500) == [
        Refuse("c", "the agent is shutting down", RefusalCode.DRAINING)
    ]
    while cloud.piece is not None:
        cloud.step()
    assert cloud.machine.is_idle
    assert cloud.ends["a"] == cloud.ends["b"] == 1


def test_a_refused_task_may_come_again(cloud):
    cloud.arrive(0, "a", 5)
    assert cloud.arrive(1, "a", 100)[0] == accept("a", "exit1", 9)
