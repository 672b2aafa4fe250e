"""A payload that enters the cloud net behind its first stages."""

import pytest

from mc_sched.core.actions import Accept, Refuse, Reply, RunHead, RunStage
from mc_sched.core.task import ExitRule, RefusalCode
from tests.core.round_figures import TWO_CODECS, ns

EARLIEST = ExitRule.EARLIEST


@pytest.fixture
def cloud(make_cloud):
    """A cloud that takes features at stage 2."""
    return make_cloud(TWO_CODECS)


def arrive(cloud, ms, task_id, budget, **fields):
    return cloud.arrive(ms, task_id, budget, codec="features", **fields)


def test_it_starts_at_the_stage_behind_the_cut(cloud):
    assert arrive(cloud, 0, "a", 200) == [
        Accept("a", "exit2", ns(5), 0),
        RunStage(("a",), 2),
    ]
    assert cloud.step() == [RunStage(("a",), 3)]


def test_and_answers_at_an_exit_behind_it(cloud):
    arrive(cloud, 0, "a", 200, rule=EARLIEST)
    assert cloud.step() == [RunHead(("a",), "exit2")]
    (reply,) = cloud.step()
    assert isinstance(reply, Reply)
    assert (reply.exit, reply.compute_ns) == ("exit2", ns(5))


@pytest.mark.parametrize(("accuracy", "exit_", "path"), [(0.0, "exit2", 5), (0.85, "exit3", 9)])
def test_exits_before_the_cut_are_no_candidates(cloud, accuracy, exit_, path):
    assert arrive(cloud, 0, "a", 200, accuracy=accuracy)[0] == Accept("a", exit_, ns(path), 0)


def test_its_accuracy_is_the_codecs_own(cloud):
    assert arrive(cloud, 0, "a", 200, accuracy=0.93) == [
        Refuse(
            "a", "the best exit reaches accuracy 0.920, 0.930 is demanded", RefusalCode.INFEASIBLE
        )
    ]


def test_only_decoding_and_the_stages_behind_the_cut_count_against_its_budget(cloud):
    needed = 3 + 5 + 5
    assert arrive(cloud, 0, "a", needed)[0] == Accept("a", "exit2", ns(5), 0)
    cloud.step()
    cloud.step()
    late = arrive(cloud, 20, "b", needed - 1e-3)
    assert late == [
        Refuse(
            "b", "the first acceptable exit needs 5.0 ms, 5.0 ms are left", RefusalCode.INFEASIBLE
        )
    ]


def test_and_for_those_who_wait_behind_it(cloud):
    arrive(cloud, 0, "a", 200, rule=EARLIEST)
    assert cloud.queue_ms(0) == 5
    assert cloud.arrive(0, "b", 300)[0] == Accept("b", "exit1", ns(5 + 9), ns(5))


def test_both_codecs_share_the_executor_by_deadline(cloud):
    cloud.arrive(0, "a", 300, rule=EARLIEST)
    arrive(cloud, 1, "b", 100, rule=EARLIEST)
    assert cloud.step() == [RunStage(("b",), 2)]
