"""Times of the cloud's stages and heads: the profile, corrected by what is measured."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.tables import CloudTable, Exit
from tests.core.round_figures import CLOUD, TWO_CODECS, at, faded, ns

EXIT1 = CLOUD.exits[1]
FINE = {"accuracy": 0.9}


@pytest.fixture
def times():
    """A predictor that has seen four stages as profiled."""
    predictor = CloudTimePredictor(CLOUD, 0.95)
    for number in range(4):
        predictor.record(number, ns(4), ns(4))
    return predictor


# --- the tables -------------------------------------------------------------------------------


def test_a_path_is_its_stages_and_one_head():
    assert [CLOUD.path_ns(e) for e in CLOUD.exits] == [ns(ms) for ms in (5, 9, 13, 17, 21)]


def test_from_a_stage_on_it_is_what_is_left():
    assert [CLOUD.path_ns(EXIT1, stage) for stage in (0, 1, 2)] == [ns(9), ns(5), ns(1)]


def test_exits_by_name():
    assert CLOUD.exit_named("exit1") is EXIT1
    with pytest.raises(KeyError):
        CLOUD.exit_named("exit9")


def test_acceptable_exits_come_closest_to_the_input_first():
    assert [e.name for e in CLOUD.acceptable("jpeg", 0.83)] == ["exit2", "exit3", "exit4"]
    assert CLOUD.acceptable("jpeg", 0.95) == ()
    assert CLOUD.acceptable("features", 0.1) == ()


# --- the times --------------------------------------------------------------------------------


def test_before_anything_ran_every_quantile_is_above_the_profile():
    fresh = CloudTimePredictor(CLOUD, 0.95)
    assert fresh.mean_ns(0, EXIT1) == ns(9)
    assert fresh.upper_ns(0, EXIT1) == ns(9 * 1.3)


def test_then_it_is_scaled_by_what_was_measured(times):
    assert times.mean_ns(4, EXIT1) == times.upper_ns(4, EXIT1) == ns(9)
    times.record(4, ns(4), ns(8))
    assert times.slowdown(4) == pytest.approx(faded(1, 1, 1, 1, 2))
    assert times.mean_ns(4, EXIT1, 1) == pytest.approx(5e6 * faded(1, 1, 1, 1, 2), abs=1)
    assert times.upper_ns(4, EXIT1, 1) == ns(5 * 2)


def test_what_the_profile_puts_at_nothing_teaches_nothing(times):
    times.record(4, 0, ns(8))
    assert times.slowdown(4) == 1.0


def test_half_a_minute_without_work_is_forgotten(times):
    assert times.slowdown_upper(30 * 10**9) == 1.0
    assert times.slowdown_upper(30 * 10**9 + 4) == 1.3


def test_whole_paths_are_kept_in_the_tables_order(times):
    assert times.exit_paths_ns == {"jpeg": tuple((e, CLOUD.path_ns(e)) for e in CLOUD.exits)}


def test_a_path_runs_from_the_payload_through_decoding_and_the_stages_behind_the_cut():
    paths = CloudTimePredictor(TWO_CODECS, 0.95).exit_paths_ns["features"]
    assert [(exit_.name, path_ns) for exit_, path_ns in paths] == [
        ("exit2", ns(3 + 5)),
        ("exit3", ns(3 + 9)),
        ("exit4", ns(3 + 13)),
    ]


# --- what the edge learns of the cloud's times ------------------------------------------------


def _needed(edge, ms):
    """The edge's forecast of the cloud's time, for a task that only the cloud can serve, in ms."""
    edge.submit(ms, f"task{ms}", 1, **FINE)
    reason = edge.outcome(f"task{ms}").reason
    return float(reason.split("cloud needs ")[1].split(" ms")[0])


def _served(edge, ms, replied, **fields):
    """A task that was accepted 20 ms after `ms` and answered at `replied`."""
    queue, compute = fields.get("queue", 0), fields.get("compute", 0)
    edge.submit(ms, f"t{ms}", 900, **FINE)
    edge.accepted(ms + 20, f"t{ms}", "exit3", queue=queue)
    edge.replied(replied, f"t{ms}", "exit3", compute=compute)


def test_from_accepted_to_the_reply_is_the_clouds_own_time(edge):
    assert _needed(edge, 0) == 37
    _served(edge, 1, replied=1 + 20 + 34)
    assert _needed(edge, 100) == 20 + 2 * 17


def test_the_wait_in_the_clouds_queue_is_none_of_it(edge):
    _served(edge, 0, replied=20 + 30 + 17, queue=30)
    assert _needed(edge, 100) == 37


def test_what_the_cloud_computed_is_the_least_of_it(edge):
    _served(edge, 0, replied=20 + 17, compute=34)
    assert _needed(edge, 100) == 20 + 2 * 17


def test_a_reply_to_a_task_that_was_given_up_teaches_as_well(edge):
    edge.submit(0, "a", 40, **FINE)
    edge.accepted(20, "a", "exit3")
    edge.deadline_fires(40, "a")
    edge.replied(54, "a", "exit3")
    assert _needed(edge, 100) == 20 + 2 * 17


def test_the_same_cloud_found_again_is_remembered(edge):
    _served(edge, 0, replied=20 + 34)
    edge.tell(60, ev.CloudGone, "no answer")
    edge.tell(70, ev.CloudFound, CLOUD)
    assert _needed(edge, 100) == 20 + 2 * 17


def test_its_queue_is_not(edge):
    edge.tell(0, ev.LinkSampled, ns(10), ns(50), 1.0)
    edge.tell(1, ev.CloudFound, CLOUD)
    assert _needed(edge, 2) == 37


def test_another_cloud_starts_from_its_own_profile(edge):
    slow = CloudTable("cloud", (ns(8),) * 5, tuple(_slow(e) for e in CLOUD.exits))
    edge.tell(0, ev.CloudFound, slow)
    assert _needed(edge, 1) == pytest.approx(20 + 1.3 * 34)


def _slow(exit_):
    return Exit(exit_.name, exit_.stage, ns(2), exit_.accuracy)


def test_status_has_the_state_of_the_cloud(make_edge):
    edge = make_edge(warmed_up=False)
    seen = [_cloud(edge)]
    edge.tell(0, ev.CloudFound, CLOUD)
    seen.append(_cloud(edge))
    edge.tell(1, ev.CloudGone, "no answer")
    seen.append(_cloud(edge))
    assert seen == [("unknown", "no answer yet"), ("up", ""), ("down", "no answer")]


def _cloud(edge):
    shown = edge.machine.snapshot(at(1))
    return shown.cloud, shown.cloud_detail
