"""Algorithm II, steps 2 to 5: the decision at every branch, for the three exit rules."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Reply, RunHead, RunStage, Stop
from mc_sched.core.tables import CloudTable, Exit
from mc_sched.core.task import ExitRule
from tests.core.round_figures import ANSWER, CLOUD, MS, faded, ns

EARLIEST, PURSUE, ADAPTIVE = ExitRule.EARLIEST, ExitRule.PURSUE, ExitRule.ADAPTIVE
INFEASIBLE = "the deadline cannot be met any more"
LITTLE = 1e-3


def stage(number, task_id="a"):
    return [RunStage((task_id,), number)]


def head(exit_, task_id="a"):
    return [RunHead((task_id,), exit_)]


def run(cloud, steps):
    """The decisions of the next `steps` pieces, flattened."""
    return [action for _ in range(steps) for action in cloud.step()]


def reply(task_id, exit_, compute, queue=0, slowdown=1.0):
    return Reply(task_id, exit_, ANSWER, ns(compute), ns(queue), slowdown)


# --- earliest ---------------------------------------------------------------------------------


def test_earliest_replies_at_the_target_however_much_time_is_left(cloud):
    cloud.arrive(0, "a", 900, rule=EARLIEST)
    assert cloud.step() == stage(1)
    assert cloud.step() == head("exit1")
    assert cloud.step() == [reply("a", "exit1", compute=9)]
    assert cloud.machine.is_idle


def test_no_head_is_loaded_before_the_target(cloud):
    cloud.arrive(0, "a", 900, accuracy=0.94, rule=EARLIEST)
    assert run(cloud, 4) == [*stage(1), *stage(2), *stage(3), *stage(4)]
    assert cloud.step() == head("exit4")


# --- pursue -----------------------------------------------------------------------------------


def test_pursue_continues_without_loading_a_head_while_the_next_exit_is_in_time(cloud):
    cloud.arrive(0, "a", 900, rule=PURSUE)
    assert run(cloud, 4) == [*stage(1), *stage(2), *stage(3), *stage(4)]
    assert cloud.step() == head("exit4")
    assert cloud.step() == [reply("a", "exit4", compute=21)]


def test_the_next_exit_may_just_be_in_time(cloud):
    """Behind stage 1 at 8 ms: 4 + 1 to exit2 and 5 back make 18."""
    cloud.arrive(0, "a", 18, down=5, rule=PURSUE)
    cloud.step()
    assert cloud.step() == stage(2)
    assert cloud.step() == head("exit2")
    assert cloud.step() == [reply("a", "exit2", compute=13)]


def test_if_it_would_break_the_budget_this_exit_answers(cloud):
    cloud.arrive(0, "a", 18 - LITTLE, down=5, rule=PURSUE)
    cloud.step()
    assert cloud.step() == head("exit1")


def test_no_exit_is_pursued_past_the_moment_at_which_the_edge_may_take_the_task_back(cloud):
    """Behind stage 1 at 8 ms: exit2 would be ready at 13 and back at 18."""
    cloud.arrive(0, "a", 900, down=5, rule=PURSUE, reply_in=18 - LITTLE)
    cloud.step()
    assert cloud.step() == head("exit1")


def test_up_to_that_moment_it_is(cloud):
    cloud.arrive(0, "a", 900, down=5, rule=PURSUE, reply_in=18)
    cloud.step()
    assert cloud.step() == stage(2)
    assert cloud.step() == head("exit2")


def test_the_target_is_reached_even_past_that_moment(cloud):
    """The edge may be too busy to take the task back; until the deadline the answer is good."""
    cloud.arrive(0, "a", 100, down=5, rule=PURSUE, reply_in=6)
    assert cloud.step() == stage(1)
    assert cloud.step() == head("exit1")
    assert cloud.step() == [reply("a", "exit1", compute=9)]


def test_the_links_latest_state_decides(cloud):
    cloud.arrive(0, "a", 18, down=5, rule=PURSUE)
    cloud.step()
    cloud.tell(5, ev.LinkSampled, ns(12), 0, 1.0, "edge")  # 6 ms back instead of 5
    assert cloud.step() == head("exit1")


def test_also_for_the_better(cloud):
    cloud.arrive(0, "a", 17, down=5, rule=PURSUE)
    cloud.step()
    cloud.tell(5, ev.LinkSampled, ns(8), 0, 1.0, "edge")
    assert cloud.step() == stage(2)


def test_the_measured_stage_times_decide(cloud):
    """A stage that took twice its time makes the next exit 10 ms away instead of 5."""
    cloud.arrive(0, "a", 26, down=5, rule=PURSUE)
    cloud.step()
    assert cloud.step(took=8) == head("exit1")  # 26 - 12 - 5 are left: 9


def test_an_exit_that_is_no_better_is_not_pursued(make_cloud):
    """Behind exit1 comes one of 0.76 and then one of 0.91: worth it only if that is in time."""
    exits = tuple(
        replace(e, accuracy={"jpeg": 0.76}) if e.name == "exit2" else e for e in CLOUD.exits
    )
    cloud = make_cloud(replace(CLOUD, exits=exits))
    cloud.arrive(0, "a", 20, down=5, rule=PURSUE)  # exit3 would be at 17, and 22 with the downlink
    cloud.step()
    assert cloud.step() == head("exit1")


def test_an_exit_that_is_not_accurate_enough_does_not_answer(make_cloud):
    """Behind exit1 comes one of 0.70: its head is not loaded, time or no time."""
    exits = tuple(
        replace(e, accuracy={"jpeg": 0.70}) if e.name == "exit2" else e for e in CLOUD.exits
    )
    cloud = make_cloud(replace(CLOUD, exits=exits))
    cloud.arrive(0, "a", 22, down=5, rule=PURSUE)
    assert run(cloud, 3) == [*stage(1), *stage(2), *stage(3)]
    assert cloud.step() == head("exit3")


# --- adaptive ---------------------------------------------------------------------------------


def test_adaptive_pursues_while_it_is_alone(cloud):
    cloud.arrive(0, "a", 900, rule=ADAPTIVE)
    assert run(cloud, 4) == [*stage(1), *stage(2), *stage(3), *stage(4)]


def test_it_replies_at_the_target_while_another_waits(cloud):
    cloud.arrive(0, "a", 500, rule=ADAPTIVE)
    cloud.arrive(1, "b", 900, rule=ADAPTIVE)
    assert cloud.step() == stage(1)
    assert cloud.step() == head("exit1")
    assert cloud.step() == [reply("a", "exit1", compute=9, queue=9), *stage(0, "b")]


def test_past_the_target_it_replies_at_the_next_exit_when_another_comes(cloud):
    cloud.arrive(0, "a", 500, rule=ADAPTIVE)
    run(cloud, 2)
    cloud.arrive(9, "b", 900, rule=ADAPTIVE)
    assert cloud.step() == head("exit2")


def test_it_pursues_again_when_the_other_has_left(cloud):
    cloud.arrive(0, "a", 500, rule=ADAPTIVE)
    cloud.arrive(1, "b", 900, rule=ADAPTIVE)
    cloud.tell(2, ev.GiveUpReceived, "b")
    cloud.step()
    assert cloud.step() == stage(2)


def test_pursue_does_not_care_who_waits(cloud):
    cloud.arrive(0, "a", 500, rule=PURSUE)
    cloud.arrive(1, "b", 900)
    cloud.step()
    assert cloud.step() == stage(2)


def test_pursue_counts_the_wait_for_a_more_urgent_task(cloud):
    """exit1 could answer at 9; the next stage would run from 21 to 25, and 5 back make 31."""
    cloud.arrive(0, "a", 30, down=5, rule=PURSUE)
    cloud.step()
    cloud.arrive(7, "soon", 20, accuracy=0.83, down=5, rule=EARLIEST)
    assert cloud.step() == head("exit1")


def test_a_task_that_has_gone_on_past_an_exit_has_only_the_next_one_to_hope_for(cloud):
    """`a` continues at 8, and then waits for a task that comes before its next stage starts."""
    cloud.arrive(0, "a", 30, down=5, rule=PURSUE)
    cloud.step()
    cloud.arrive(7, "soon", 20, accuracy=0.83, down=5, rule=EARLIEST)
    decisions = cloud.step()
    while cloud.piece is not None:
        decisions += cloud.step()
    assert RunStage(("a",), 2) not in decisions


# --- several tasks ----------------------------------------------------------------------------


def test_one_piece_of_work_at_a_time(cloud):
    assert cloud.arrive(0, "a", 500) == [Accept("a", "exit1", ns(9), 0), *stage(0)]
    (only,) = cloud.arrive(1, "b", 900)
    assert isinstance(only, Accept)


def test_the_earliest_deadline_gets_the_executor_after_each_stage(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.arrive(1, "late", 900, rule=EARLIEST)
    cloud.arrive(1, "soon", 100, rule=EARLIEST)
    assert cloud.step() == stage(0, "soon")
    assert cloud.step() == stage(1, "soon")
    assert cloud.step() == head("exit1", "soon")
    assert cloud.step()[-1:] == stage(1, "a")
    assert cloud.step() == head("exit1", "a")
    assert cloud.step()[-1:] == stage(0, "late")


def test_a_head_follows_its_stage_whoever_waits(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.step()
    cloud.arrive(5, "soon", 100)
    assert cloud.step() == head("exit1", "a")
    assert cloud.step()[-1:] == stage(0, "soon")


def test_deadlines_count_from_each_tasks_own_arrival(cloud):
    cloud.arrive(0, "x", 500, rule=EARLIEST)
    cloud.arrive(1, "a", 300)  # due at 301
    cloud.arrive(2, "b", 298)  # due at 300
    assert cloud.step() == stage(0, "b")


# --- a budget that has become impossible ------------------------------------------------------


def test_an_infeasible_task_is_stopped_at_once_and_nothing_more_is_computed(cloud):
    cloud.arrive(0, "a", 30, down=5)
    assert cloud.step(took=19) == [Stop("a", INFEASIBLE, ns(19))]
    assert cloud.machine.is_idle


def test_a_budget_that_the_mean_time_can_still_keep_is_not_given_up(cloud):
    """16 + 5 on the profile, 8 at the mean slowdown of 1.6, and 5 back make 29."""
    cloud.arrive(0, "a", 30, down=5)
    assert cloud.step(took=16) == stage(1)


def test_the_next_task_gets_the_executor(cloud):
    cloud.arrive(0, "a", 30, down=5)
    cloud.arrive(0, "b", 900)
    assert cloud.step(took=19) == [Stop("a", INFEASIBLE, ns(19)), *stage(0, "b")]


def test_a_link_that_became_slow_makes_it_impossible_too(cloud):
    cloud.arrive(0, "a", 20, down=5)
    cloud.tell(1, ev.LinkSampled, ns(40), 0, 1.0, "edge")
    assert cloud.step() == [Stop("a", INFEASIBLE, ns(4))]


def test_a_task_that_waited_too_long_is_stopped_not_started(cloud):
    cloud.arrive(0, "a", 40)
    cloud.arrive(0, "b", 60)
    actions = cloud.step(took=80)
    assert Stop("a", INFEASIBLE, ns(80)) in actions
    assert not any(isinstance(action, RunStage) for action in actions)


GAP = CloudTable(
    "gap",
    stage_ns=(10 * MS,) * 3,
    exits=(Exit("near", 0, MS, {"jpeg": 0.8}), Exit("far", 2, MS, {"jpeg": 0.9})),
)
"""No exit behind the second stage."""


def test_past_the_target_too(make_cloud):
    """At 35 ms 10 ms are left before the downlink, and the next exit is 11 ms away."""
    cloud = make_cloud(GAP)
    cloud.arrive(0, "a", 50, down=5, rule=PURSUE)
    assert cloud.step() == stage(1)
    assert cloud.step(took=25) == [Stop("a", INFEASIBLE, ns(35))]


def test_a_heavier_head_than_the_targets_counts(make_cloud):
    exits = tuple(replace(e, head_ns=8 * MS) if e.name == "exit2" else e for e in CLOUD.exits)
    cloud = make_cloud(replace(CLOUD, exits=exits))
    cloud.arrive(0, "a", 27, down=5, rule=PURSUE)
    run(cloud, 1)
    assert cloud.step() == stage(2)  # exit2 would be ready at 20, back at 25
    assert cloud.step(took=10) == [Stop("a", INFEASIBLE, ns(18))]  # 4 left, 8 needed


def test_a_task_that_was_just_accepted_is_feasible(cloud):
    for number in range(20):
        cloud.arrive(20 * number, f"x{number}", 900, accuracy=0.6, rule=EARLIEST)
        cloud.step(took=400 if number == 0 else None)
        cloud.wind_up()
    assert cloud.arrive(900, "a", 9 + 5, down=5) == [Accept("a", "exit1", ns(9), 0), *stage(0)]


# --- progress reports to the edge -------------------------------------------------------------


def test_as_long_as_the_forecast_holds_nothing_is_reported(cloud):
    cloud.arrive(0, "a", 900, rule=EARLIEST)
    run(cloud, 3)
    assert cloud.news == []


def test_a_forecast_that_moved_is_news(cloud):
    cloud.arrive(0, "a", 900, rule=EARLIEST)
    cloud.step(took=12)  # three times its profiled time
    (news,) = cloud.news
    assert (news.task_id, news.stage) == ("a", 0)
    assert news.remaining_ns == int(ns(5) * faded(1, 1, 1, 1, 3))


def test_a_reply_tells_compute_time_slowdown_and_what_waits(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.arrive(0, "b", 900, rule=EARLIEST)
    cloud.step(took=8)
    cloud.step(took=4)
    answer = cloud.step(took=1)[0]
    slowdown = faded(1, 1, 1, 1, 2, 1)
    assert answer.slowdown == pytest.approx(slowdown)
    assert answer.queue_ns == pytest.approx(9e6 * slowdown, abs=1)
    assert (answer.exit, answer.compute_ns) == ("exit1", ns(13))
