"""Every policy in the simulator, on networks of the paper's class."""

from collections import Counter
from functools import partial

import pytest

from mc_sched.core import actions as do
from mc_sched.core.policies import PARTITIONERS, POLICIES
from mc_sched.core.policies.entropy_threshold import loosest
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import Mode, Privacy, Site
from mc_sched.link.model import LinkSpec, mbps
from mc_sched.sim.arrivals import Stream
from mc_sched.sim.entropy import VALIDATION_IMAGES, entropy_by_rank, with_thresholds
from mc_sched.sim.paper_networks import SET_A, SETS
from mc_sched.sim.spec import CloudSpec, DeviceSpec, EdgeSpec, RadioLinkSpec, WorldSpec
from mc_sched.sim.truth import RANKS, Truth, natural_entropy
from tests.sim.worlds import LINK, MS, Story, dark

PAYLOADS = {"jpeg": 16_000, "features": 3_136}
SLOW = LinkSpec(mbps(1), mbps(2), rtt_ns=150 * MS)


def run(policy, tables=SET_A, link=LINK, mode=Mode.PERFORMANCE, tasks=80, **wanted):
    """A device's stream under this policy."""
    demands = {"deadline_ns": 300 * MS, "accuracy": 0.85, "payload_bytes": PAYLOADS} | wanted
    stream = Stream(tasks=tasks, fps=8, **demands)
    edge = EdgeSpec(
        "edge", tables[0], partial(stream.run, "edge", "0"),
        EdgeSettings(policy=policy, mode=mode), DeviceSpec(), RadioLinkSpec(link),
    )  # fmt: skip
    return Story(WorldSpec((edge,), (CloudSpec(tables[1]),)))


@pytest.mark.parametrize("tables", SETS.values(), ids=SETS)
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_task_ends_once_whatever_the_link_does(policy, mode, tables):
    story = run(policy, tables, dark((2, 1.5)), mode, tasks=60, deadline_ns=900 * MS)
    assert sum(Counter(story.kinds()).values()) == 60
    assert len(set(story.finishes())) == 60


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("privacy", [Privacy.EDGE_ONLY, Privacy.FEATURES])
def test_nothing_leaves_against_its_privacy(policy, privacy):
    story = run(policy, privacy=privacy)
    assert {a.codec for a in story.actions(do.SendToCloud)} <= {
        codec for codec in PAYLOADS if privacy.allows(codec)
    }


@pytest.mark.parametrize("policy", sorted(PARTITIONERS))
def test_a_slow_link_keeps_the_cloud_net_on_the_edge(policy):
    story = run(policy, link=SLOW)
    assert Counter(story.kinds()) == {"succeeded": 80}
    assert {outcome.exit for outcome in story.outcomes[20:]} == {"final"}
    assert {outcome.site for outcome in story.outcomes[20:]} == {Site.EDGE}


def test_the_same_world_gives_the_same_story_whatever_the_policy_asks():
    first, second = (run("jointdnn").steps for _ in range(2))
    assert first == second


# --- how sure a simulated answer is -----------------------------------------------------------


def test_a_surer_answer_has_less_entropy():
    entropies = [natural_entropy(percent / 100) for percent in range(1, 101)]
    assert entropies == sorted(entropies, reverse=True)
    assert all(0 <= entropy <= 1 for entropy in entropies)
    assert natural_entropy(5 / 1000) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("qor", [0.82, 0.85, 0.88])
def test_ddnn_reaches_the_qor_that_it_was_tuned_to_on_other_images(qor):
    story = run("ddnn", tasks=1500, accuracy=qor)
    right = [result.correct for _, result in story.results if result.correct is not None]
    (expected,) = {outcome.expected_accuracy for outcome in story.outcomes[5:] if outcome.exit}
    assert qor <= expected < qor + 0.01
    assert sum(right) / len(right) == pytest.approx(expected, abs=0.02)


def test_it_keeps_the_share_of_its_table():
    local = with_thresholds(*SET_A)
    row = loosest(local.thresholds, "jpeg", 0.85)
    story = run("ddnn", tasks=3000)
    local = sum(outcome.site is Site.EDGE for outcome in story.outcomes)
    assert local / 3000 == pytest.approx(row.kept, abs=0.03)


def test_measured_thresholds_are_kept_and_answers_are_split_by_them():
    measured = tuple(
        EntropyThreshold(entropy, kept, {"jpeg": 0.9}, 0.5)
        for entropy, kept in ((0.0, 0.0), (0.2, 0.25), (0.3, 0.75), (0.9, 1.0))
    )
    entropies = entropy_by_rank(measured)
    assert len(entropies) == RANKS
    truth = Truth("images")
    seen = [truth.answer(i, 0, 0.8, entropies).entropy for i in range(VALIDATION_IMAGES)]
    for row in measured:
        share = sum(entropy <= row.entropy for entropy in seen) / len(seen)
        assert share == pytest.approx(row.kept, abs=0.01)


def test_thresholds_are_tuned_only_if_there_are_none():
    tuned = with_thresholds(*SET_A)
    assert tuned.thresholds
    assert with_thresholds(tuned, SET_A[1]) is tuned
    assert with_thresholds(SET_A[0], None) is SET_A[0]
    assert entropy_by_rank(()) == ()


def test_rows_at_either_end():
    tuned = with_thresholds(*SET_A).thresholds
    assert (tuned[0].kept, tuned[-1].kept) == (0.0, 1.0)
    assert tuned[0].accuracy["jpeg"] == pytest.approx(0.89, abs=0.01)
    assert tuned[-1].accuracy["jpeg"] == pytest.approx(0.804, abs=0.01)
