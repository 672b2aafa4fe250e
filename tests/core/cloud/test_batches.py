"""Batches on the cloud: who joins, who leaves, whose deadline limits them, and give-ups in them.

The table's batches of 2, 4 and 8 tasks take 5, 6 and 8 ms per stage instead of 4.
"""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Refuse, Reply, RunHead, RunStage, Stop
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from tests.core.histories import in_batch
from tests.core.round_figures import ANSWER, BATCHED, CLOUD, TWO_CODECS, at, ns

EARLIEST, PURSUE = ExitRule.EARLIEST, ExitRule.PURSUE


@pytest.fixture
def cloud(make_cloud):
    return make_cloud(BATCHED)


def arrive_behind(cloud, ids, budget=300, accuracy=0.75, **fields):
    """Task "x" runs its only stage from 0 to 4 ms and its head until 5; these wait behind it."""
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    for task_id in ids:
        cloud.arrive(1, task_id, budget, accuracy, **{"rule": EARLIEST, **fields})
    cloud.step()
    return cloud.step()


def runs(actions):
    return [action for action in actions if isinstance(action, RunStage | RunHead)]


# --- who joins --------------------------------------------------------------------------------


def test_tasks_that_wait_at_the_same_stage_run_together(cloud):
    assert runs(arrive_behind(cloud, "abc")) == [RunStage(("a", "b", "c"), 0)]


def test_they_join_in_the_order_of_their_deadlines(cloud):
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    for task_id, budget in (("c", 400), ("a", 200), ("b", 300)):
        cloud.arrive(1, task_id, budget, rule=EARLIEST)
    cloud.step()
    assert runs(cloud.step()) == [RunStage(("a", "b", "c"), 0)]


def test_the_answer_of_all_is_one_head(cloud):
    arrive_behind(cloud, "abc")
    assert cloud.step() == [RunStage(("a", "b", "c"), 1)]
    assert cloud.step() == [RunHead(("a", "b", "c"), "exit1")]
    replies = cloud.step()
    assert [action.task_id for action in replies] == ["a", "b", "c"]
    assert all(isinstance(action, Reply) for action in replies)


def test_a_reply_tells_the_time_that_the_batches_ran(cloud):
    arrive_behind(cloud, "ab")
    for _ in range(2):
        cloud.step()
    assert [reply.compute_ns for reply in cloud.step()] == [ns(5 + 5 + 1.25)] * 2


def test_each_task_gets_its_own_answer(cloud):
    arrive_behind(cloud, "ab")
    cloud.step()
    cloud.step()
    answers = replace(ANSWER, entropy=0.1), replace(ANSWER, entropy=0.2)
    replies = cloud.handle(
        ev.HeadDone(cloud.piece_since_ns + ns(1), ("a", "b"), "exit1", answers, ns(1))
    )
    assert [(r.task_id, r.prediction) for r in replies] == [("a", answers[0]), ("b", answers[1])]


def test_a_batch_is_limited_by_the_largest_measured_size(cloud):
    assert runs(arrive_behind(cloud, "abcdefghijk")) == [RunStage(tuple("abcdefgh"), 0)]


def test_and_by_the_setting(make_cloud):
    cloud = make_cloud(BATCHED, max_batch=2)
    assert runs(arrive_behind(cloud, "abc")) == [RunStage(("a", "b"), 0)]


def test_the_setting_may_change(cloud):
    cloud.tell(0, ev.CloudReconfigured, CloudSettings(max_batch=1))
    assert runs(arrive_behind(cloud, "abc")) == [RunStage(("a",), 0)]


def test_a_table_without_batch_times_runs_single_tasks(make_cloud):
    assert runs(arrive_behind(make_cloud(CLOUD), "abc")) == [RunStage(("a",), 0)]


def test_one_more_than_the_best_size_is_not_left_over(make_cloud):
    """Per task, a batch of 4 is the best; 5 still take less time than 4 and 1."""
    sizes = (1, 4, 5, 8)
    stage = (ns(4), ns(6), ns(8), ns(16))
    heads = tuple(replace(e, head_batch_ns=(ns(1),) * 4) for e in CLOUD.exits)
    table = replace(CLOUD, exits=heads, batch_sizes=sizes, stage_batch_ns=(stage,) * 5)
    assert runs(arrive_behind(make_cloud(table), "abcde")) == [RunStage(tuple("abcde"), 0)]
    assert runs(arrive_behind(make_cloud(table), "abcdefgh")) == [RunStage(tuple("abcd"), 0)]


def test_batches_that_gain_nothing_are_not_formed(make_cloud):
    alone = tuple(ns(4 * size) for size in (1, 2, 4, 8))
    table = replace(BATCHED, stage_batch_ns=(alone,) * 5)
    assert runs(arrive_behind(make_cloud(table), "abc")) == [RunStage(("a",), 0)]


def test_codecs_share_a_batch_at_the_stage_where_they_meet(make_cloud):
    table = replace(
        TWO_CODECS, batch_sizes=BATCHED.batch_sizes, stage_batch_ns=BATCHED.stage_batch_ns
    )
    cloud = make_cloud(table)
    cloud.arrive(0, "a", 200, accuracy=0.9, rule=EARLIEST)
    cloud.step()  # it is at stage 1, and stays there until 8 ms
    cloud.arrive(5, "b", 400, accuracy=0.9, rule=EARLIEST, codec="features")
    assert runs(cloud.step()) == [RunStage(("a", "b"), 2)]


# --- whose deadline limits it -----------------------------------------------------------------


def test_a_batch_does_not_make_its_first_task_late(cloud):
    """Alone "a" has its answer at 5 + 9 ms, with "b" at 5 + 11.25; it has to leave by 15."""
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(0, "a", 20, rule=EARLIEST)
    cloud.arrive(0, "b", 300, rule=EARLIEST)
    cloud.step()
    assert runs(cloud.step()) == [RunStage(("a",), 0)]


def test_a_task_in_the_middle_limits_it_too(cloud):
    """Three tasks take 5.5 ms per stage, so that "b" could not leave by 16.3."""
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(0, "a", 21.3, rule=EARLIEST)
    cloud.arrive(0, "b", 21.3, rule=EARLIEST)
    cloud.arrive(0, "c", 300, rule=EARLIEST)
    cloud.step()
    assert runs(cloud.step()) == [RunStage(("a", "b"), 0)]


def test_nor_a_task_behind_it_at_another_stage(cloud):
    """Behind "soon", which runs from 4 to 13 ms, "a" has its answer at 18 and must leave by 19.

    "late" waits at the stage of "soon", but a batch of two would take 2.25 ms more.
    """
    cloud.arrive(0, "a", 24, rule=EARLIEST)
    cloud.arrive(1, "soon", 20, rule=EARLIEST)
    cloud.arrive(1, "late", 300, rule=EARLIEST)
    assert runs(cloud.step()) == [RunStage(("soon",), 0)]


def test_with_more_time_the_other_joins(cloud):
    cloud.arrive(0, "a", 40, rule=EARLIEST)
    cloud.arrive(1, "soon", 35, rule=EARLIEST)
    cloud.arrive(1, "late", 300, rule=EARLIEST)
    assert runs(cloud.step()) == [RunStage(("soon", "late"), 0)]


def test_a_task_that_is_late_in_any_case_makes_no_batch_small(cloud):
    """An executor that stood still for 60 ms has made "a" late; "b" to "e" still run together."""
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(1, "a", 40, rule=EARLIEST)
    for task_id in "bcde":
        cloud.arrive(1, task_id, 900, rule=EARLIEST)
    cloud.step()
    actions = cloud.step(took=61)
    assert [action for action in actions if isinstance(action, Stop)]
    assert runs(actions) == [RunStage(tuple("bcde"), 0)]


# --- it forms anew at each stage and exit -----------------------------------------------------


def test_some_leave_at_an_exit_and_others_go_on(cloud):
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(0, "a", 300, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(0, "b", 300, accuracy=0.75, rule=EARLIEST)
    cloud.arrive(0, "c", 300, accuracy=0.6, rule=EARLIEST)
    cloud.step()
    assert runs(cloud.step()) == [RunStage(("a", "b", "c"), 0)]
    assert cloud.step() == [RunHead(("a", "c"), "exit0")]
    assert runs(cloud.step()) == [RunStage(("b",), 1)]


def test_a_task_that_comes_meanwhile_joins_at_its_first_stage_only(cloud):
    arrive_behind(cloud, "ab")
    cloud.arrive(6, "c", 400, rule=EARLIEST)
    assert cloud.step() == [RunStage(("a", "b"), 1)]
    assert cloud.step() == [RunHead(("a", "b"), "exit1")]
    assert runs(cloud.step()) == [RunStage(("c",), 0)]


def test_a_more_urgent_task_goes_first_and_the_batch_continues_behind_it(cloud):
    arrive_behind(cloud, "ab")
    cloud.arrive(6, "soon", 60, rule=EARLIEST)
    assert runs(cloud.step()) == [RunStage(("soon",), 0)]
    assert runs(cloud.step()) == [RunStage(("soon", "a", "b"), 1)]


def test_a_batch_pursues_together_while_no_other_task_waits(cloud):
    arrive_behind(cloud, "ab", rule=ExitRule.ADAPTIVE)
    cloud.step()
    assert cloud.step() == [RunStage(("a", "b"), 2)]


def test_and_answers_when_one_comes(cloud):
    arrive_behind(cloud, "ab", rule=ExitRule.ADAPTIVE)
    cloud.step()
    cloud.arrive(12, "c", 400)
    assert cloud.step() == [RunHead(("a", "b"), "exit1")]


def test_no_task_pursues_an_exit_that_makes_another_late(cloud):
    """Behind stage 1 at 8 ms; "b" needs 9 ms and has to leave by 18.5."""
    cloud.arrive(0, "a", 22, down=1, rule=PURSUE)
    cloud.arrive(1, "b", 22.5, down=5, rule=EARLIEST)
    cloud.step()
    assert cloud.step() == [RunHead(("a",), "exit1")]


# --- give-ups and failures --------------------------------------------------------------------

unwanted = pytest.mark.parametrize("event", [ev.GiveUpReceived, ev.ClientGone])


@unwanted
def test_the_others_of_a_batch_go_on_without_a_task_that_is_given_up(event):
    cloud = in_batch()
    assert cloud.tell(6, event, "a") == []
    assert cloud.step() == [Stop("a", "given up", ns(5)), RunStage(("b",), 1)]


@unwanted
def test_a_batch_that_nobody_wants_frees_the_executor(event):
    cloud = in_batch()
    cloud.arrive(6, "c", 400, rule=EARLIEST)
    cloud.tell(6, event, "a")
    cloud.tell(6, event, "b")
    actions = cloud.step()
    assert [action.task_id for action in actions if isinstance(action, Stop)] == ["a", "b"]
    assert runs(actions) == [RunStage(("c",), 0)]


@unwanted
def test_an_answer_that_nobody_wants_is_not_sent(event):
    cloud = in_batch()
    cloud.step()
    cloud.step()
    cloud.tell(16, event, "b")
    stopped, sent = cloud.step()
    assert stopped == Stop("b", "given up", ns(5 + 5 + 1.25))
    assert isinstance(sent, Reply)
    assert sent.task_id == "a"


def test_a_failure_ends_all_tasks_of_the_batch():
    cloud = in_batch()
    actions = cloud.tell(7, ev.ExecutorFailed, ("a", "b"), "out of memory")
    assert actions == [Stop(task_id, "out of memory", 0, failed=True) for task_id in "ab"]
    assert cloud.machine.is_idle


@pytest.mark.parametrize("ids", [("a",), ("b", "a"), ("a", "b", "c"), ()])
def test_the_end_of_another_batch_is_an_error(ids):
    cloud = in_batch()
    with pytest.raises(UnexpectedEvent):
        cloud.machine.handle(ev.StageDone(at(10), ids, 0, ns(5)))


# --- admission knows batches ------------------------------------------------------------------


def test_a_task_that_joins_a_batch_waits_less_than_for_all_the_work(cloud):
    """Seven tasks wait behind "x" until 5 ms; the batch of eight takes 2 * 8 + 2 ms."""
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    for task_id in "abcdefg":
        cloud.arrive(0, task_id, 300, rule=EARLIEST)
    assert cloud.arrive(0, "h", 300, rule=EARLIEST) == [
        Accept("h", "exit1", ns(5 + 18), queue_ns=ns(5))
    ]


def test_the_next_one_waits_for_that_batch(cloud):
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    for task_id in "abcdefgh":
        cloud.arrive(0, task_id, 300, rule=EARLIEST)
    (accept,) = cloud.arrive(0, "i", 300, rule=EARLIEST)
    assert accept == Accept("i", "exit1", ns(5 + 18 + 9), queue_ns=ns(5 + 18))


def test_the_load_that_is_reported_is_the_wait_until_a_task_could_start(cloud):
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    for task_id in "abc":
        cloud.arrive(0, task_id, 300, rule=EARLIEST)
    assert cloud.queue_ms(0) == 5
    for task_id in "defgh":
        cloud.arrive(0, task_id, 300, rule=EARLIEST)
    assert cloud.queue_ms(0) == 5 + 18


def test_a_task_that_makes_others_late_is_refused(cloud):
    """ "a" has its answer at 14 ms and must leave by 15; "b" would come before it."""
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(0, "a", 20, rule=EARLIEST)
    (refused,) = cloud.arrive(0, "b", 19.9, rule=EARLIEST)
    assert isinstance(refused, Refuse)
    assert refused.reason == "tasks that are due later would be late"


def test_and_taken_if_they_have_the_time(cloud):
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=EARLIEST)
    cloud.arrive(0, "a", 30, rule=EARLIEST)
    assert isinstance(cloud.arrive(0, "b", 25, rule=EARLIEST)[0], Accept)


def test_progress_is_reported_to_each_task_whose_answer_moves():
    cloud = in_batch()
    cloud.step(took=15)
    assert [(news.task_id, news.stage) for news in cloud.news] == [("a", 0), ("b", 0)]
