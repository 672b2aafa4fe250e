"""A recorded world, simulated again: as it was, and under other rules."""

import json

import pytest

from mc_sched.core.task import Mode, Site
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.replay import numbered, replay
from mc_sched.sim.step_function import Phase, scripted_slowdown
from mc_sched.sim.what_if import UNKNOWN_UP_BPS, Rules, read_recorded, world_of_log
from tests.core.round_figures import CLOUD, LOCAL
from tests.sim.worlds import LINK, MS, S, Story, dark, edge, world


def log_of(*edges, **wanted):
    """Return the first edge's event log, as its daemon would write it, and the story."""
    spec = world(*edges, **wanted)
    story, records = Story(spec), []
    log = EventLog(None, "edge")
    log.subscribe(records.append)
    config = {"settings": spec.edges[0].settings, "table": LOCAL}
    log.write(0, "config", config)
    for node, event, actions in story.steps:
        if node == spec.edges[0].edge_id:
            log.write(event.now_ns, "event", event)
            for action in actions:
                log.write(event.now_ns, "action", action)
    return json.loads(json.dumps(records)), story


def again(records, **rules):
    return Story(world_of_log(read_recorded(records), Rules(**rules)))


def sites(story):
    return [outcome.site for outcome in story.outcomes]


@pytest.fixture(scope="module")
def offloaded():
    """A log and a story in which every task was offloaded."""
    return log_of(edge(settings={"policy": "server"}))


def test_a_simulated_log_replays_to_the_letter(offloaded):
    steps = list(replay(offloaded[0]))
    assert len(steps) > 200
    assert all(step.same for step in steps)


def test_the_workload_comes_back(offloaded):
    records, story = offloaded
    before, after = story.outcomes, again(records).outcomes
    assert [o.task_id for o in after] == [o.task_id for o in before]
    assert {o.required_accuracy for o in after} == {o.required_accuracy for o in before}


def test_as_it_was_it_goes_about_as_it_went(offloaded):
    records, story = offloaded
    then, now = story.outcomes[-20:], again(records).outcomes[-20:]
    assert [o.site for o in now] == [o.site for o in then]
    for before, after in zip(then, now, strict=True):
        # a reply may wait behind that of a padded probe, in either run
        assert after.latency_ns == pytest.approx(before.latency_ns, abs=4 * MS)


def test_other_rules_make_other_ends(offloaded):
    records, _ = offloaded
    assert set(sites(again(records, policy="edge-only"))) == {Site.EDGE}
    assert set(again(records, deadline_ns=20 * MS).kinds()) <= {"late", "refused"}
    strict = again(records, policy="mc", accuracy=0.93).outcomes
    assert {o.required_accuracy for o in strict} == {0.93}
    assert all(o.site is not Site.EDGE for o in strict)
    assert set(sites(again(records, policy="mc", mode=Mode.PERFORMANCE))) == {Site.EDGE}


def test_measured_slowdowns_come_back():
    slow = scripted_slowdown((Phase(2 * S, 1 * S, 2.0),))
    records, story = log_of(edge(settings={"policy": "edge-only"}, slowdown=slow))
    before = [o.latency_ns for o in story.outcomes]
    assert [o.latency_ns for o in again(records).outcomes] == before


def test_an_outage_comes_back():
    records, story = log_of(edge(settings={"policy": "server"}, link=dark((1, 4)), tasks=100))
    lost = {o.task_id for o in story.outcomes if o.kind.value != "succeeded"}
    lost_again = {o.task_id for o in again(records).outcomes if o.kind.value != "succeeded"}
    assert len(lost) > 30
    assert len(lost ^ lost_again) <= 5


def test_a_slow_link_is_slow_again():
    slow = log_of(edge(settings={"policy": "server"}, deadline_ns=S, link=LINK, fps=3))[0]
    recorded = read_recorded(slow)
    rates = [bps for _, bps in recorded.rates_bps]
    assert min(rates) == pytest.approx(8e6, rel=0.15)
    assert max(rates) == pytest.approx(8e6, rel=0.15)


def test_padded_probes_tell_the_rate_of_a_log_without_uploads():
    records, _ = log_of(edge(settings={"policy": "edge-only"}))
    rate = world_of_log(read_recorded(records)).edges[0].radio_link.link.up
    assert rate.mean_bps == pytest.approx(8e6, rel=0.15)


def test_a_log_without_either_falls_back_to_the_prior():
    records, _ = log_of(edge(settings={"policy": "edge-only"}))
    bare = [record for record in records if not record["data"].get("up_bytes")]
    world_ = world_of_log(read_recorded(bare))
    assert world_.edges[0].radio_link.link.up.mean_bps == pytest.approx(UNKNOWN_UP_BPS)
    assert world_.clouds[0].table == CLOUD


def test_an_edge_that_was_alone_is_alone_again():
    records, _ = log_of(edge(cloud=None), clouds=0)
    assert world_of_log(read_recorded(records)).edges[0].cloud is None


def test_of_two_runs_the_last_one_with_tasks_counts(offloaded):
    first, _ = log_of(edge(settings={"policy": "edge-only"}, tasks=5))
    recorded = read_recorded([*offloaded[0], *first, first[0]])
    assert len(recorded.tasks) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[1:], "no config record"),
        (lambda records: records[:1], "the log has no task"),
        (lambda records: [{**records[0], "node": "cloud"}], "only an edge's log"),
        (
            lambda records: [records[0], {**records[1], "name": "Teleported"}],
            "line 2: .*'Teleported'",
        ),
        (lambda records: [records[0], 5], "line 2: not a record of an event log"),
    ],
)
def test_an_invalid_log_is_an_error_with_its_line(offloaded, change, message):
    with pytest.raises(ValueError, match=message):
        read_recorded(numbered(change(offloaded[0])))
