"""Worlds run to their end, reproducibly, with one outcome per task, like the agents."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.policies import POLICIES
from mc_sched.core.tables import Codec
from mc_sched.core.task import Mode, OutcomeKind, Privacy, Site
from mc_sched.link.model import LinkSpec, mbps
from mc_sched.sim.step_function import Phase, scripted_slowdown
from tests.core.round_figures import BATCHED, CLOUD, LOCAL_MS
from tests.sim.worlds import MS, S, Story, dark, edge, world

PERFORMANCE = {"mode": Mode.PERFORMANCE}


# --- the same every time ------------------------------------------------------------------------


def busy_world(seed):
    """A world with every kind of randomness."""
    link = LinkSpec(mbps(4), mbps(8), 20 * MS, jitter_ns=10 * MS, seed=seed)
    edges = [
        edge(f"e{n}", link, noise=0.2, seed=seed, arrivals="poisson", size_dispersion=0.5, fps=15)
        for n in range(3)
    ]
    return world(*edges, seed=seed, noise=0.2)


def test_one_seed_gives_one_stream_of_events():
    first, again, other = Story(busy_world(1)), Story(busy_world(1)), Story(busy_world(2))
    assert first.steps == again.steps
    assert first.results == again.results
    assert first.seconds == again.seconds
    assert first.steps != other.steps


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 1000), policy=st.sampled_from(sorted(POLICIES)),
    mode=st.sampled_from(Mode), deadline_ms=st.integers(10, 300), fps=st.sampled_from((5, 30, 80)),
    mbps_up=st.sampled_from((0.5, 4, 50)), accuracy=st.sampled_from((None, 0.5, 0.8, 0.92, 0.99)),
    outage_s=st.sampled_from((0, 0.05, 1.5, 6)), privacy=st.sampled_from(Privacy),
)  # fmt: skip
def test_every_task_has_one_outcome_whatever_happens(
    seed, policy, mode, deadline_ms, fps, mbps_up, accuracy, outage_s, privacy
):
    link = replace(
        dark((1, outage_s)) if outage_s else dark(), up=mbps(mbps_up), jitter_ns=5 * MS, seed=seed
    )
    story = Story(
        world(
            edge(
                link=link, settings={"policy": policy, "mode": mode}, seed=seed, fps=fps,
                deadline_ns=deadline_ms * MS, accuracy=accuracy, noise=0.3, arrivals="poisson",
                privacy=privacy,
            ),
            noise=0.3, max_tasks=4,
        )
    )  # fmt: skip
    assert sorted(story.finishes()) == sorted(f"edge-{n}" for n in range(60))
    for outcome in story.outcomes:
        if outcome.kind is OutcomeKind.SUCCEEDED:
            assert outcome.latency_ns <= deadline_ms * MS
        if privacy is not Privacy.ANY:
            assert outcome.bytes_up == 0


def test_two_policies_with_one_seed_see_the_same_images():
    at_home = Story(world(edge(settings={"policy": "edge-only"})))
    away = Story(world(edge(settings={"policy": "server"}, deadline_ns=500 * MS)))
    # whoever the deep net fails, the local net fails too, mostly
    failed = {r.outcome.task_id for _, r in away.results if r.correct is False}
    also = {r.outcome.task_id for _, r in at_home.results if r.correct is False}
    assert len(failed - also) <= max(1, len(failed) // 3)


# --- sites --------------------------------------------------------------------------------------


def test_on_the_edge_a_task_takes_the_profiled_time():
    story = Story(world(edge(settings=PERFORMANCE)))
    assert {o.latency_ns for o in story.outcomes} == {LOCAL_MS * MS}
    assert {o.site for o in story.outcomes} == {Site.EDGE}


def test_in_the_cloud_it_takes_the_upload_the_stages_and_the_download():
    story = Story(world(edge(settings={"policy": "server"})))
    last = story.outcomes[-1]
    # 10.2 ms up, 10 ms of round trip, 21 ms to the last exit, and the reply's own bytes
    assert last.site is Site.CLOUD
    assert last.latency_ns / MS == pytest.approx(10.2 + 10 + 21 + 0.4, abs=0.2)
    # the first comes before the cloud has been met
    assert story.kinds() == ["refused", *["succeeded"] * 59]


def test_an_edge_alone_answers_alone():
    story = Story(world(edge(cloud=None), clouds=0))
    assert {o.site for o in story.outcomes} == {Site.EDGE}
    assert not story.events(ev.LinkSampled)


def test_work_that_starts_during_contention_is_slower():
    slow = scripted_slowdown((Phase(2 * S, 1 * S, 2.0),))
    story = Story(world(edge(settings=PERFORMANCE, slowdown=slow)))
    taken = [o.latency_ns // MS for o in story.outcomes]
    assert taken[:24] == [LOCAL_MS] * 24
    assert taken[24:36] == [2 * LOCAL_MS] * 12
    assert taken[36:] == [LOCAL_MS] * 24


def test_layers_are_reported_before_later_events():
    story = Story(world(edge(settings=PERFORMANCE, tasks=3)))
    kinds = [type(e).__name__ for n, e, _ in story.steps if getattr(e, "task_id", "") == "edge-1"]
    assert kinds == ["LocalStarted", *["LocalLayerDone"] * 4, "LocalDone"]
    times = [e.now_ns for n, e, _ in story.steps if n == "edge"]
    assert times == sorted(times)


def test_admission_counts_against_the_deadline():
    spec = replace(edge(settings=PERFORMANCE), admission_ns=7 * MS)
    assert {o.latency_ns for o in Story(world(spec)).outcomes} == {(LOCAL_MS + 7) * MS}


# --- the link breaks ----------------------------------------------------------------------------


def test_in_a_long_outage_the_cloud_is_lost_and_found_again():
    story = Story(world(edge(link=dark((1, 4)), tasks=120)))
    (gone,) = story.events(ev.CloudGone)
    found = story.events(ev.CloudFound)
    assert 2 * S < gone.now_ns < 4 * S  # two probes unanswered, a second each
    assert len(found) == 2
    assert 5 * S < found[1].now_ns < 7 * S
    assert "succeeded" in story.kinds()[-5:]


def test_a_task_whose_answer_is_overdue_falls_back_in_time():
    story = Story(world(edge(link=dark((1.01, 0.4)))))
    taken_back = [o for o in story.outcomes if o.gave_up and o.site is Site.EDGE]
    assert taken_back
    assert all(o.kind is OutcomeKind.SUCCEEDED for o in taken_back)


def test_tasks_in_flight_are_lost_with_the_cloud():
    story = Story(
        world(edge(link=dark((1, 4)), deadline_ns=9 * S, settings={"policy": "server"}, fps=4))
    )  # fmt: skip
    lost = story.events(ev.CloudLost)
    assert lost
    assert {event.reason for event in lost} == {"the connection was cut"}


def test_no_stage_starts_after_a_give_up():
    slow = scripted_slowdown((Phase(1 * S, 2 * S, 6.0),))
    story = Story(world(edge(settings={"policy": "mc-paper"}), slowdown=slow))
    unwanted = set()
    for node, event, actions in story.steps:
        if node != "cloud-0":
            continue
        if isinstance(event, ev.GiveUpReceived):
            unwanted.add(event.task_id)
        for action in actions:
            started = getattr(action, "task_ids", ())
            assert not unwanted & set(started)
    assert unwanted


# --- several edges ------------------------------------------------------------------------------


def test_edges_that_share_a_link_wait_for_each_other():
    def slowest(**wanted):
        link = LinkSpec(mbps(2), mbps(8), 10 * MS)
        edges = [
            edge(
                f"e{n}", link, n, settings={"policy": "server"}, deadline_ns=2 * S, fps=5, **wanted
            )
            for n in range(3)
        ]  # fmt: skip
        return max(o.latency_ns for o in Story(world(*edges, clouds=3)).outcomes)

    assert slowest(shared_link="one") > slowest() + 50 * MS


def test_tasks_beyond_the_clouds_capacity_are_refused():
    edges = [
        edge(f"e{n}", settings={"policy": "server"}, fps=20, deadline_ns=120 * MS)
        for n in range(12)
    ]  # fmt: skip
    story = Story(world(*edges, max_tasks=3))
    reasons = [a.reason for a in story.actions(do.Refuse)]
    assert any("max_tasks" in reason for reason in reasons)
    assert len(story.outcomes) == 12 * 60


def crowd(table=BATCHED, **settings):
    """Run twelve edges that send to one cloud agent at the same moments."""
    edges = [edge(f"e{n}", settings={"policy": "server"}, deadline_ns=150 * MS) for n in range(12)]
    return Story(world(*edges, table=table, **settings))


def test_tasks_that_meet_at_a_stage_run_as_a_batch_in_the_time_of_the_profile():
    story = crowd()
    runs = story.events(ev.StageDone)
    for run in runs:
        profiled_ns = BATCHED.stage_time_ns(run.stage, len(run.task_ids))
        assert run.took_ns == pytest.approx(profiled_ns, abs=1)
    assert max(len(run.task_ids) for run in runs) >= 6
    heads = story.events(ev.HeadDone)
    assert max(len(head.task_ids) for head in heads) >= 2
    assert all(len(head.predictions) == len(head.task_ids) for head in heads)


def test_batches_serve_more_tasks_in_time():
    batches, singles = crowd(), crowd(max_batch=1)
    assert {len(run.task_ids) for run in singles.events(ev.StageDone)} == {1}
    count = {story: story.kinds().count("succeeded") for story in (batches, singles)}
    assert count[batches] > 1.5 * count[singles]


def test_every_image_of_a_batch_has_its_own_answer():
    right = [
        (result.correct, result.outcome.exit)
        for _, result in crowd().results
        if result.correct is not None
    ]
    shares = sum(correct for correct, _ in right) / len(right)
    assert {exit_ for _, exit_ in right} == {"exit4"}
    assert shares == pytest.approx(0.94, abs=0.04)


@pytest.mark.parametrize("decoders", [1, 3])
def test_so_many_payloads_are_decoded_at_a_time(decoders):
    slow = replace(CLOUD, codecs=(Codec("jpeg", decode_ns=5 * MS),))
    story, most, now = crowd(slow, decoders=decoders), 0, 0
    for node, event, actions in story.steps:
        if node == "cloud-0":
            now += sum(isinstance(action, do.Decode) for action in actions)
            now -= isinstance(event, ev.Decoded)
            most = max(most, now)
    assert most == decoders


def test_two_clouds_share_the_edges():
    edges = [edge(f"e{n}", cloud=n % 2) for n in range(4)]
    story = Story(world(*edges, clouds=2))
    for name in ("cloud-0", "cloud-1"):
        assert story.events(ev.Decoded, name)
