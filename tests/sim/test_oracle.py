"""The oracle is never worse than a scheduler, and takes the cheapest option of the simulator."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import Fallback, Offload, RunOnEdge
from mc_sched.core.task import ExitRule, Mode, OutcomeKind, Privacy
from mc_sched.link.model import Outage, mbps
from mc_sched.sim.oracle import Bound, Oracle
from tests.core.round_figures import BOTH_PAYLOADS, ENCODING_LOCAL, LOCAL, MS, TWO_CODECS
from tests.sim.worlds import LINK, Story, edge, world

ALONE_FPS = 1.0
"""Tasks that do not meet."""


def oracle_of(spec):
    return Oracle(spec, spec.edges[0])


def alone(**wanted):
    usual = {"fps": ALONE_FPS, "tasks": 12, "deadline_ns": 300 * MS}
    spec = edge(**usual | {"payload_bytes": BOTH_PAYLOADS} | wanted)
    return dataclasses.replace(spec, table=ENCODING_LOCAL)


def world_of(spec, **wanted):
    """One edge against a cloud that takes both codecs."""
    spec = world(spec, **wanted)
    clouds = tuple(dataclasses.replace(cloud, table=TWO_CODECS) for cloud in spec.clouds)
    return dataclasses.replace(spec, clouds=clouds)


def forced(codec, exit_):
    """Return a policy that always takes one option, whatever the deadline."""
    if exit_ is None:
        return lambda task, view: RunOnEdge()
    return lambda task, view: Offload(
        codec, exit_.accuracy[codec], ExitRule.EARLIEST, 0, Fallback.NEVER
    )


def options():
    yield "", None
    for codec in TWO_CODECS.codecs:
        for exit_ in TWO_CODECS.exits:
            if codec.name in exit_.accuracy:
                yield codec.name, exit_


@pytest.fixture
def tried(monkeypatch):
    """Return the simulator's result of every option per task, without a deadline."""
    found = {}
    for codec, exit_ in options():
        monkeypatch.setitem(POLICIES, "forced", forced(codec, exit_))
        demands = {"deadline_ns": 900 * MS, "accuracy": 0.0, "settings": {"policy": "forced"}}
        for outcome in Story(world_of(alone(noise=0.1, **demands), noise=0.1)).outcomes:
            result = (outcome.latency_ns, outcome.expected_accuracy, outcome.energy.total_j)
            found.setdefault(outcome.task_id, []).append(result)
    # the first task comes before the edge has found the cloud, which the oracle ignores
    return [results for task, results in found.items() if task != "edge-0"]


@pytest.mark.parametrize("deadline_ms", [18, 25, 30, 34, 38, 42, 300])
@pytest.mark.parametrize("accuracy", [0.5, 0.75, 0.9, 0.99])
def test_it_finds_what_trying_every_option_in_the_simulator_finds(tried, deadline_ms, accuracy):
    costs = [
        [j for ns, reached, j in results if ns <= deadline_ms * MS and reached >= accuracy]
        for results in tried
    ]
    served = [min(joules) for joules in costs if joules]
    spec, bound = world_of(alone(noise=0.1), noise=0.1), Bound()
    oracle = oracle_of(spec)
    for image, task in list(enumerate(spec.edges[0].arrivals()))[1:]:
        demands = dataclasses.replace(task, deadline_ns=deadline_ms * MS, accuracy=accuracy)
        servings = oracle.servings(demands, image)
        bound.add([s for s in servings if oracle.serves(s, demands) and s.expected == s.accuracy])
    assert bound.successes == len(served)
    assert bound.energy_j == pytest.approx(sum(served), rel=0.03)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    deadline_ms=st.integers(18, 300),
    accuracy=st.sampled_from((0.5, 0.7, 0.8, 0.9, 0.95)),
    rate_mbps=st.sampled_from((0.5, 2, 8)),
    jitter_ms=st.integers(0, 20),
    dark_ms=st.integers(0, 3000),
    mode=st.sampled_from(Mode),
)
def test_no_scheduler_has_more_successes(
    seed, deadline_ms, accuracy, rate_mbps, jitter_ms, dark_ms, mode
):
    link = dataclasses.replace(
        LINK, up=mbps(rate_mbps), jitter_ns=jitter_ms * MS, seed=seed,
        outages=(Outage(4_000 * MS, dark_ms * MS),) if dark_ms else (),
    )  # fmt: skip
    for policy in POLICIES:
        spec = world_of(
            alone(
                link=link, noise=0.2, seed=seed, deadline_ns=deadline_ms * MS, accuracy=accuracy,
                settings={"policy": policy, "mode": mode},
            ),
            noise=0.2, seed=seed,
        )  # fmt: skip
        bounds, story = oracle_of(spec).bounds(), Story(spec)
        good = [r for _, r in story.results if r.outcome.kind is OutcomeKind.SUCCEEDED]
        assert len(good) <= bounds.expected.successes
        assert sum(bool(result.correct) for result in good) <= bounds.correct.successes


def test_a_task_that_no_option_serves_costs_nothing():
    bounds = oracle_of(world_of(alone(deadline_ns=5 * MS))).bounds()
    assert bounds.expected == Bound(0, 0.0)
    assert bounds.expected.e3_per_j == 0.0


def test_to_know_who_is_right_leaves_fewer_successes():
    bounds = oracle_of(world_of(alone(tasks=200))).bounds()
    assert bounds.correct.successes < bounds.expected.successes == 200
    most = bounds.most_right
    assert bounds.correct.successes >= most.right == pytest.approx(most.expected, rel=0.1)
    assert most.energy_j >= bounds.expected.energy_j


def test_it_keeps_to_the_tasks_privacy():
    spec = world_of(alone(privacy=Privacy.EDGE_ONLY))
    (task, *_) = spec.edges[0].arrivals()
    assert {option.codec for option in oracle_of(spec).servings(task, 0)} == {""}


def test_alone_it_has_the_local_net_only():
    spec = world_of(alone(cloud=None))
    (task, *_) = spec.edges[0].arrivals()
    (local,) = oracle_of(spec).servings(task, 0)
    assert local.latency_ns == LOCAL.total_ns


def test_an_image_that_was_encoded_before_cost_that_whatever_comes_of_it():
    spec = world_of(alone(encoding_ns=10 * MS, deadline_ns=12 * MS, tasks=3))
    energy = spec.edges[0].settings.energy
    bound = oracle_of(spec).bounds().expected
    assert (bound.successes, bound.energy_j) == (0, pytest.approx(3 * energy.compute_j(10 * MS)))
