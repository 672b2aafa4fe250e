"""The policies as pure functions: a task and a view give a decision."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.policies import POLICIES
from mc_sched.core.policies.local_first import local_first_candidates
from mc_sched.core.policy import (
    CloudForecast,
    Fallback,
    LocalFirst,
    Offload,
    OnDeviceForecast,
    Refuse,
    RunOnEdge,
    SiteForecast,
    View,
)
from mc_sched.core.stage_graph import Cost, StageGraph, Upload
from mc_sched.core.task import ExitRule, Mode, Privacy, Site
from tests.core.policies.views import (
    FAR,
    FORBIDDEN,
    NEAR,
    TASK,
    UNREACHABLE,
    cloud_short,
    edge,
    edge_short,
    near,
    view,
)
from tests.core.round_figures import THRESHOLDS, ns

MC, MC_PAPER, SERVER, EDGE_ONLY = (
    POLICIES[name] for name in ("mc", "mc-paper", "server", "edge-only")
)


def sends(option, accuracy=0.75, rule=ExitRule.ADAPTIVE):
    """mc's usual offload: predicted by the upper quantile, answered before the latest start."""
    return Offload(option.codec, accuracy, rule, option.upper_ns, Fallback.UNLESS_ACCEPTED)


def hedges(option):
    """The offload of a task whose answer may still come after the latest start."""
    return replace(sends(option), fallback=Fallback.HEDGED)


def sends_for_good(option, accuracy=0.75):
    """The offload of a task that the device cannot serve by a timer."""
    return replace(sends(option, accuracy), fallback=Fallback.ON_FAILURE)


# --- mc ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        pytest.param(view(), sends(NEAR), id="both, energy: the cheaper site"),
        pytest.param(view(edge=edge(energy_j=0.05)), RunOnEdge(), id="both, energy: the edge"),
        pytest.param(
            view(edge=edge(energy_j=0.10, accuracy=0.91)), RunOnEdge(), id="both, energy: a tie"
        ),
        pytest.param(
            view(edge=edge(energy_j=0.09)), sends(NEAR), id="both, energy: the more accurate site"
        ),
        pytest.param(
            view(edge=edge(energy_j=0.09), exit_rule=ExitRule.EARLIEST),
            RunOnEdge(),
            id="both, energy: no more accurate if it stops early",
        ),
        pytest.param(
            view(latest_start_ns=ns(40)), sends(NEAR), id="both, energy: seldom falls back"
        ),
        pytest.param(
            view(latest_start_ns=ns(29)),
            sends_for_good(NEAR),
            id="both, energy: is sure without a timer",
        ),
        pytest.param(
            view(cloud=(NEAR,), latest_start_ns=ns(39), tasks_since_late=0),
            hedges(NEAR),
            id="both, energy: may come after the latest start",
        ),
        pytest.param(
            view(cloud=(NEAR,), latest_start_ns=ns(21), tasks_since_late=0),
            hedges(NEAR),
            id="both, energy: pays a third of a run",
        ),
        pytest.param(
            view(cloud=(near(energy_j=0.15),), latest_start_ns=ns(21), tasks_since_late=0),
            RunOnEdge(),
            id="both, energy: too expensive with a fallback",
        ),
        pytest.param(
            view(cloud=(NEAR,), latest_start_ns=0, tasks_since_late=0),
            RunOnEdge(),
            id="both, energy: nothing is left to wait for",
        ),
        pytest.param(
            view(cloud=(NEAR,), latest_start_ns=ns(19)),
            sends_for_good(NEAR),
            id="both, energy: would not be accepted in time, and is sure without a timer",
        ),
        pytest.param(
            view(cloud=(NEAR,), latest_start_ns=ns(9), remaining_ns=ns(39)),
            RunOnEdge(),
            id="both, energy: would run on the edge as well, and is not sure",
        ),
        pytest.param(view(mode=Mode.PERFORMANCE), RunOnEdge(), id="both, performance"),
        pytest.param(view(cloud=()), RunOnEdge(), id="no cloud"),
        pytest.param(
            view(remaining_ns=ns(30), latest_start_ns=-ns(4)),
            RunOnEdge(),
            id="only the edge in time",
        ),
        pytest.param(view(accuracy=0.80), sends(FAR, 0.80), id="energy: the first good exit"),
        pytest.param(view(accuracy=0.9), sends_for_good(FAR, 0.9), id="cloud only"),
        pytest.param(
            view(accuracy=0.9, mode=Mode.PERFORMANCE),
            sends_for_good(FAR, 0.9),
            id="performance, cloud only",
        ),
        pytest.param(
            view(edge=edge(upper_ns=ns(101)), mode=Mode.PERFORMANCE, latest_start_ns=-ns(5)),
            sends_for_good(NEAR),
            id="the edge is too slow",
        ),
        pytest.param(
            view(exit_rule=ExitRule.EARLIEST), sends(NEAR, rule=ExitRule.EARLIEST), id="exit rule"
        ),
        pytest.param(
            view(accuracy=0.95),
            Refuse((edge_short("accuracy", 0.95, 0.80), cloud_short("accuracy", 0.95, 0.91))),
            id="neither is good enough",
        ),
        pytest.param(
            view(remaining_ns=ns(30) - 1, latest_start_ns=-ns(5), edge_free=False),
            Refuse(
                (
                    edge_short("deadline", ns(30), ns(30) - 1),
                    cloud_short("deadline", ns(40), ns(30) - 1),
                )
            ),
            id="neither is in time",
        ),
        pytest.param(
            view(remaining_ns=ns(30) - 1, latest_start_ns=-ns(5)),
            RunOnEdge(),
            id="the edge's mean is",
        ),
        pytest.param(
            view(edge=edge(mean_ns=ns(39)), remaining_ns=ns(39), latest_start_ns=-ns(5)),
            RunOnEdge(),
            id="both means are, the edge surely",
        ),
        pytest.param(
            view(edge=edge(mean_ns=ns(35), upper_ns=ns(70)), remaining_ns=ns(39)),
            sends_for_good(NEAR),
            id="both means are, the cloud is likelier",
        ),
        pytest.param(
            view(accuracy=0.9, remaining_ns=ns(49)),
            Refuse((edge_short("accuracy", 0.9, 0.80), cloud_short("deadline", ns(60), ns(49)))),
            id="one each",
        ),
        pytest.param(
            view(accuracy=0.9, remaining_ns=ns(50)),
            sends_for_good(FAR, 0.9),
            id="the cloud, on the mean",
        ),
        pytest.param(
            view(accuracy=0.9, remaining_ns=ns(50), cloud_free=False),
            Refuse((edge_short("accuracy", 0.9, 0.80), cloud_short("deadline", ns(60), ns(50)))),
            id="not on the mean behind others",
        ),
        pytest.param(
            view(accuracy=0.9, cloud=()),
            Refuse((edge_short("accuracy", 0.9, 0.80), UNREACHABLE)),
            id="no cloud, not good enough",
        ),
    ],
)
def test_mc(situation, decision):
    assert MC(TASK, situation) == decision


# --- mc-paper ---------------------------------------------------------------------------------


def paper_sends(option, accuracy=0.75):
    return Offload(
        option.codec, accuracy, ExitRule.PURSUE, option.mean_ns, Fallback.AT_LATEST_START
    )


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        pytest.param(view(), paper_sends(NEAR), id="both, energy"),
        pytest.param(view(edge=edge(energy_j=0.01)), paper_sends(NEAR), id="whatever it costs"),
        pytest.param(view(latest_start_ns=0), paper_sends(NEAR), id="whatever the latest start"),
        pytest.param(view(mode=Mode.PERFORMANCE), RunOnEdge(), id="both, performance"),
        pytest.param(view(remaining_ns=ns(30)), paper_sends(NEAR), id="the mean is in time"),
        pytest.param(view(remaining_ns=ns(20)), RunOnEdge(), id="only the edge is in time"),
        pytest.param(view(accuracy=0.9, remaining_ns=ns(50)), paper_sends(FAR, 0.9), id="cloud"),
        pytest.param(
            view(remaining_ns=ns(20) - 1),
            Refuse(
                (
                    edge_short("deadline", ns(20), ns(20) - 1),
                    cloud_short("deadline", ns(30), ns(20) - 1),
                )
            ),
            id="neither",
        ),
    ],
)
def test_mc_paper(situation, decision):
    assert MC_PAPER(TASK, situation) == decision


# --- the baselines ----------------------------------------------------------------------------

TO_LAST_EXIT = Offload("jpeg", 0.91, ExitRule.EARLIEST, ns(50), Fallback.NEVER)


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        pytest.param(view(), TO_LAST_EXIT, id="the last exit"),
        pytest.param(view(mode=Mode.PERFORMANCE), TO_LAST_EXIT, id="whatever the mode"),
        pytest.param(view(accuracy=0.5), TO_LAST_EXIT, id="whatever low accuracy"),
        pytest.param(view(accuracy=0.99), TO_LAST_EXIT, id="whatever high accuracy"),
        pytest.param(view(remaining_ns=1), TO_LAST_EXIT, id="whatever deadline"),
        pytest.param(view(cloud=()), Refuse((UNREACHABLE,)), id="no cloud"),
    ],
)
def test_server(situation, decision):
    assert SERVER(TASK, situation) == decision


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        pytest.param(view(), RunOnEdge(), id="in time and good enough"),
        pytest.param(view(remaining_ns=ns(30)), RunOnEdge(), id="just in time"),
        pytest.param(
            view(remaining_ns=ns(30) - 1, latest_start_ns=-ns(5)),
            Refuse((edge_short("deadline", ns(30), ns(30) - 1),)),
            id="too slow",
        ),
        pytest.param(view(accuracy=0.80), RunOnEdge(), id="just good enough"),
        pytest.param(
            view(accuracy=0.81), Refuse((edge_short("accuracy", 0.81, 0.80),)), id="not good enough"
        ),
    ],
)
def test_edge_only(situation, decision):
    assert EDGE_ONLY(TASK, situation) == decision


# --- privacy ----------------------------------------------------------------------------------

FEATURES = CloudForecast(0.88, ns(30), ns(45), 0.15, exit="far", codec="features")


@pytest.mark.parametrize("policy", [MC, MC_PAPER, SERVER])
@pytest.mark.parametrize("privacy", [Privacy.EDGE_ONLY, Privacy.FEATURES])
def test_an_image_that_must_not_leave_is_refused_if_only_the_cloud_could_serve_it(policy, privacy):
    decision = policy(replace(TASK, privacy=privacy), view(accuracy=0.9))
    assert isinstance(decision, Refuse)
    assert FORBIDDEN in decision.shortfalls


@pytest.mark.parametrize("policy", [MC, MC_PAPER, SERVER])
def test_features_are_sent_if_the_privacy_allows_them(policy):
    private = replace(TASK, privacy=Privacy.FEATURES)
    decision = policy(private, view(cloud=(NEAR, FAR, FEATURES), accuracy=0.85))
    assert decision.codec == "features"


@pytest.mark.parametrize(
    ("privacy", "jpeg", "features"),
    [
        (Privacy.ANY, True, True),
        (Privacy.FEATURES, False, True),
        (Privacy.EDGE_ONLY, False, False),
    ],
)
def test_the_codecs_that_each_privacy_allows(privacy, jpeg, features):
    assert (privacy.allows("jpeg"), privacy.allows("features")) == (jpeg, features)
    assert privacy.allows("split1") is jpeg  # a raw activation reveals as much as the image


# --- properties of any view -------------------------------------------------------------------

accuracies = st.sampled_from((0.5, 0.75, 0.8, 0.9, 0.95))
times = st.integers(1, 6).map(lambda tens: ns(10 * tens))
joules = st.sampled_from((0.0, 0.1, 0.2))
exits = st.sampled_from(("near", "far"))
codecs = st.sampled_from(("jpeg", "features", "split1"))
options = st.builds(CloudForecast, accuracies, times, times, joules, exit=exits, codec=codecs)
on_device_forecasts = st.builds(OnDeviceForecast, accuracies, times, times, joules, exit=exits)


def deeper_and_later(forecasts):
    """Sort the times, as deeper exits take longer; no quantile is below the mean."""
    means = sorted(forecast.mean_ns for forecast in forecasts)
    uppers = sorted(forecast.upper_ns for forecast in forecasts)
    taken = zip(forecasts, means, uppers, strict=True)
    return tuple(replace(f, mean_ns=m, upper_ns=max(m, upper)) for f, m, upper in taken)


costs = st.builds(Cost, times, joules)
uploads = st.builds(Upload, st.sampled_from(("jpeg", "features", "split1")), st.just(0), costs)
views = st.builds(
    View, st.just(0), times, st.integers(-3, 6).map(lambda tens: ns(10 * tens)), accuracies,
    st.sampled_from(Mode), st.sampled_from(ExitRule),
    st.builds(SiteForecast, accuracies, times, times, joules)
    .map(lambda local: deeper_and_later([local])[0]),
    st.lists(options, max_size=4).map(deeper_and_later),
    thresholds=st.sampled_from(((), THRESHOLDS)),
    on_device=st.lists(on_device_forecasts, max_size=2).map(deeper_and_later),
    stage_graph=st.none() | st.builds(
        StageGraph, st.tuples(costs, costs), st.tuples(costs, costs),
        st.lists(uploads, max_size=3).map(tuple), costs, st.just("far"),
    ),
    edge_free=st.booleans(), cloud_free=st.booleans(),
)  # fmt: skip
tasks = st.sampled_from(Privacy).map(lambda privacy: replace(TASK, privacy=privacy))
any_view = settings(max_examples=50, deadline=None, derandomize=True, database=None)


def fits(option, situation, upper):
    time_ns = option.upper_ns if upper else option.mean_ns
    return option.accuracy >= situation.accuracy and time_ns <= situation.remaining_ns


def tried(option, situation, upper):
    """A site gets a task if its time is short enough; for `mc` the mean counts if it is free."""
    is_cloud = isinstance(option, CloudForecast)
    free = situation.cloud_free if is_cloud else situation.edge_free
    return fits(option, situation, upper) or (free and fits(option, situation, upper=False))


def local_option(policy, situation):
    """Return what the device runs; for `mc` the cloud net if only that is accurate enough."""
    needed = situation.accuracy
    if policy is MC_PAPER or situation.edge.accuracy >= needed:
        return situation.edge
    return next((o for o in situation.on_device if o.accuracy >= needed), situation.edge)


def may_fall_back(option, situation):
    """If the edge can serve the task, the cloud may be tried whenever its mean is in time."""
    return fits(local_option(MC, situation), situation, upper=True) and fits(
        option, situation, False
    )


@pytest.mark.parametrize(("policy", "upper"), [(MC, True), (MC_PAPER, False)])
@any_view
@given(task=tasks, situation=views)
def test_a_task_is_refused_exactly_if_no_site_fits(policy, upper, task, situation):
    cloud = [o for o in situation.cloud if task.privacy.allows(o.codec)]
    can = any(
        tried(option, situation, upper) for option in (local_option(policy, situation), *cloud)
    )
    can = can or (policy is MC and any(local_first_candidates(task, situation)))
    assert isinstance(policy(task, situation), Refuse) is not can


@pytest.mark.parametrize(("policy", "upper"), [(MC, True), (MC_PAPER, False)])
@any_view
@given(task=tasks, situation=views)
def test_a_task_is_sent_only_to_a_site_that_fits(policy, upper, task, situation):
    decision = policy(task, situation)
    if isinstance(decision, RunOnEdge):
        assert tried(local_option(policy, situation), situation, upper)
        assert decision.exit == getattr(local_option(policy, situation), "exit", "")
    elif isinstance(decision, Offload):
        assert decision.accuracy == situation.accuracy
        assert any(
            o.codec == decision.codec
            and (tried(o, situation, upper) or may_fall_back(o, situation))
            for o in situation.cloud
        )


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@any_view
@given(task=tasks, situation=views)
def test_no_policy_offloads_what_privacy_forbids(policy, task, situation):
    decision = policy(task, situation)
    offload = decision.offload if isinstance(decision, LocalFirst) else decision
    assert not isinstance(offload, Offload) or task.privacy.allows(offload.codec)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@any_view
@given(task=tasks, situation=views)
def test_the_same_view_gives_the_same_decision(policy, task, situation):
    assert policy(task, situation) == policy(task, replace(situation))


@pytest.mark.parametrize("policy", [MC, MC_PAPER])
@any_view
@given(task=tasks, situation=views)
def test_performance_mode_keeps_every_task_that_the_edge_can_serve(policy, task, situation):
    situation = replace(situation, mode=Mode.PERFORMANCE)
    if fits(situation.edge, situation, policy is MC):
        assert policy(task, situation) == RunOnEdge()


@pytest.mark.parametrize("policy", [MC, MC_PAPER])
@any_view
@given(task=tasks, situation=views)
def test_a_refusal_has_one_shortfall_per_site(policy, task, situation):
    decision = policy(task, situation)
    if isinstance(decision, Refuse):
        assert [s.site for s in decision.shortfalls] == [Site.EDGE, Site.CLOUD]
        for shortfall in decision.shortfalls:
            assert shortfall.needed > shortfall.offered
            assert shortfall.sentence().startswith(shortfall.site.value)
