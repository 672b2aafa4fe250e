"""Every forecast gets a score at the moment its actual time is known."""

import pytest

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.scores import Predictor, Score, ScoreBook
from mc_sched.core.task import ExitRule, Privacy
from tests.core.round_figures import BOTH_PAYLOADS, ENCODING_LOCAL, TWO_CODECS, at, ns

LOCALLY = {"policy": "edge-only"}
FINE = {"accuracy": 0.9}


def score(predictor, mean, upper, actual):
    return Score(predictor, ns(mean), ns(upper), ns(actual))


def new_scores(edge, ms, event, *fields):
    """Scores that this event adds, by predictor."""
    before = len(edge.scores)
    edge.tell(ms, event, *fields)
    return {found.predictor: found for found in edge.scores[before:]}


# --- on the edge ------------------------------------------------------------------------------


def test_a_local_run_is_scored_when_it_has_answered(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(25, "a")
    assert edge.scored(Predictor.LOCAL) == score(Predictor.LOCAL, 20, 20, 25)
    assert edge.scored(Predictor.EDGE_TOTAL) == score(Predictor.EDGE_TOTAL, 20, 20, 25)


def test_the_total_of_a_local_run_includes_the_wait(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.submit(0, "b", 84, **LOCALLY)
    edge.local_done(20, "a")
    edge.local_done(40, "b")
    assert edge.scored(Predictor.LOCAL).actual_ns == ns(20)
    assert edge.scored(Predictor.EDGE_TOTAL) == score(Predictor.EDGE_TOTAL, 40, 40, 40)


def test_both_residual_forms_are_scored_from_half_way(edge):
    """Layers of 5 ms with 10, 30, 40 and 20 operations; at 10 ms the paper expects 15 more."""
    edge.submit(0, "a", 84, **LOCALLY)
    for layer, ms in enumerate((5, 10, 15, 20)):
        edge.tell(ms, ev.LocalLayerDone, "a", layer)
    edge.local_done(20, "a")
    assert edge.scored(Predictor.RESIDUAL_OPS) == score(Predictor.RESIDUAL_OPS, 15, 15, 10)
    calibrated = score(Predictor.RESIDUAL_CALIBRATED, 10, 10, 10)
    assert edge.scored(Predictor.RESIDUAL_CALIBRATED) == calibrated


@pytest.mark.parametrize("end", [ev.LocalAborted, ev.LocalFailed])
def test_a_run_that_was_stopped_has_no_score(edge, end):
    edge.submit(0, "a", 84, **LOCALLY)
    if end is ev.LocalAborted:
        edge.tell(3, ev.ClientGone, "a")
    assert new_scores(edge, 5, end, "a", *(["broken"] if end is ev.LocalFailed else [])) == {}


def test_an_encoding_is_scored_when_the_payload_is_made(make_edge):
    edge = make_edge(ENCODING_LOCAL, TWO_CODECS)
    edge.submit(0, "a", 84, privacy=Privacy.FEATURES, payload_bytes=BOTH_PAYLOADS)
    edge.encoded(7, "a", took=7)
    assert edge.scored(Predictor.ENCODE) == score(Predictor.ENCODE, 5, 5, 7)


def test_an_upload_is_scored_when_the_cloud_accepts_it(edge):
    edge.submit(0, "a", 84)
    edge.accepted(23, "a")
    assert edge.scored(Predictor.TRANSFER_UP) == score(Predictor.TRANSFER_UP, 20, 20, 23)


def test_the_time_that_the_cloud_held_a_payload_is_not_part_of_its_upload(edge):
    edge.submit(0, "a", 84)
    edge.tell(25, ev.CloudAccepted, "a", "exit1", ns(9), 0, ns(4))
    assert edge.scored(Predictor.TRANSFER_UP).actual_ns == ns(21)


def test_an_upload_behind_another_is_expected_to_take_longer(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 84)
    edge.accepted(20, "a")
    edge.accepted(30, "b")
    assert edge.scored(Predictor.TRANSFER_UP) == score(Predictor.TRANSFER_UP, 30, 30, 30)


def test_the_time_of_a_reply_is_the_rest_that_the_cloud_does_not_report(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    replied = new_scores(
        edge, 32, ev.CloudReplied, "a", "exit1", edge_answer(), ns(9), 0, 1.0, 400, ns(9)
    )
    assert replied[Predictor.TRANSFER_DOWN] == score(Predictor.TRANSFER_DOWN, 5, 5, 5 + 3)


def test_a_reply_is_not_scored_if_the_cloud_does_not_report_its_time(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    assert Predictor.TRANSFER_DOWN not in {found.predictor for found in edge.scores}


def test_an_offload_is_scored_against_the_exit_that_answered(edge):
    """At exit1 after 29 ms, at exit3 after 37."""
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(40, "a", "exit3")
    assert edge.scored(Predictor.CLOUD_TOTAL) == score(Predictor.CLOUD_TOTAL, 37, 37, 40)


def test_a_reply_after_the_outcome_does_not_score_the_offload(edge):
    edge.submit(0, "a", 40, **FINE)
    edge.accepted(20, "a")
    edge.deadline_fires(40, "a")
    before = len(edge.scores)
    edge.replied(54, "a", "exit3")
    assert len(edge.scores) == before


def test_an_outcome_carries_its_sites_forecast(edge):
    edge.submit(0, "on-edge", 84, **LOCALLY)
    edge.local_done(21, "on-edge")
    edge.submit(30, "in-cloud", 84)
    edge.accepted(50, "in-cloud")
    edge.replied(60, "in-cloud")
    assert edge.outcome("on-edge").total == score(Predictor.EDGE_TOTAL, 20, 20, 21)
    assert edge.outcome("in-cloud").total.predictor is Predictor.CLOUD_TOTAL
    assert edge.outcome("in-cloud").total.actual_ns == ns(30)


def test_the_outcome_of_a_fallback_carries_the_forecast_of_its_second_site(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    assert edge.outcome("a").total == score(Predictor.EDGE_TOTAL, 20, 20, 20)


def test_an_outcome_without_an_answer_carries_no_forecast(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.deadline_fires(84, "a")
    assert edge.outcome("a").total is None


def test_status_shows_how_good_the_forecasts_were(edge):
    shown = edge.machine.snapshot(at(0)).predictors
    assert shown["local"].n == 4
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(25, "a")
    shown = edge.machine.snapshot(at(25)).predictors
    assert (shown["local"].n, shown["local"].coverage) == (5, 0.8)


def edge_answer():
    from tests.core.round_figures import ANSWER

    return ANSWER


# --- on the cloud -----------------------------------------------------------------------------


def test_each_stage_is_scored_when_it_is_done(cloud):
    cloud.arrive(0, "a", 200, rule=ExitRule.EARLIEST)
    cloud.step(took=6)
    assert cloud.scores[-1] == score(Predictor.STAGE, 4, 4, 6)
    assert cloud.machine.reliability()["stage"].coverage < 1.0


def test_a_wait_is_scored_when_the_first_stage_starts(cloud):
    """The running stage and the head behind it: 4 + 1 ms ahead, and the stage takes 6.

    A prior of one and a half, with a stage of 4 ms added: 1.5 * 9 - 4.
    """
    cloud.arrive(0, "a", 60, accuracy=0.6, rule=ExitRule.EARLIEST)
    cloud.arrive(0, "b", 200, accuracy=0.6, rule=ExitRule.EARLIEST)
    cloud.step(took=6)
    cloud.step()
    assert cloud.scores[-1] == score(Predictor.QUEUE, 5, 9.5, 7)


def test_a_task_that_finds_the_executor_free_has_no_wait_to_score(cloud):
    cloud.arrive(0, "a", 60, accuracy=0.6)
    assert Predictor.QUEUE not in {found.predictor for found in cloud.scores}


def test_a_story_contains_the_forecasts(edge):
    edge.submit(0, "a", 84)
    edge.accepted(23, "a")
    assert "the upload took 23.00 ms, forecast 20.00 ms, at most 20.00 ms" in "\n".join(
        edge.entry("a").format_story()
    )


def test_a_score_is_recorded_before_the_next_action(cloud):
    cloud.arrive(0, "a", 200, rule=ExitRule.EARLIEST)
    actions = cloud.machine.handle(ev.StageDone(at(4), ("a",), 0, ns(4)))
    cloud.piece, cloud.piece_since_ns, cloud.now_ns = actions[-1], at(4), at(4)
    assert [type(action) for action in actions] == [do.RecordScore, do.RunStage]


# --- offloads without an answer ------------------------------------------------------------------


def offloads(edge):
    return [score for score in edge.scores if score.predictor is Predictor.CLOUD_TOTAL]


def test_an_overdue_offload_that_is_given_up_is_a_missed_forecast(edge):
    edge.submit(0, "a", 84)
    before = len(offloads(edge))
    edge.fallback_fires(60, "a")
    (missed,) = offloads(edge)[before:]
    assert missed == Score(Predictor.CLOUD_TOTAL, ns(29), ns(29), ns(60), unfinished=True)
    assert not missed.held


def test_a_missed_forecast_is_scored_once_whatever_crosses_the_give_up(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    level = edge.machine._forecast.offload_level
    before = level.level(at(61)), level.stretch(at(61))
    edge.replied(61, "a")
    assert (level.level(at(61)), level.stretch(at(61))) == before


@pytest.mark.parametrize(
    "end",
    [
        lambda edge: edge.deadline_fires(84, "a"),
        lambda edge: edge.tell(84, ev.CloudLost, "a", "cut"),
        lambda edge: edge.tell(84, ev.CloudRefused, "a", "full"),
        lambda edge: edge.tell(84, ev.CloudStopped, "a", "too slow"),
        lambda edge: edge.tell(84, ev.ClientGone, "a"),
    ],
)
def test_a_missed_forecast_is_scored_whatever_ends_the_offload(edge, end):
    edge.submit(0, "a", 84, accuracy=0.9)
    end(edge)
    assert offloads(edge)[-1].unfinished


def test_an_offload_that_is_given_up_in_time_is_not_scored(edge):
    edge.submit(0, "a", 84)
    before = len(offloads(edge))
    edge.tell(10, ev.CloudLost, "a", "cut")
    assert len(offloads(edge)) == before


def test_an_unfinished_offload_is_not_in_the_histogram_of_times():
    book = ScoreBook()
    book.add(Score(Predictor.CLOUD_TOTAL, ns(29), ns(29), ns(60), unfinished=True))
    assert sum(book.took()["cloud_total"].counts) == 0
    assert book.reliability()["cloud_total"].coverage == 0.0
