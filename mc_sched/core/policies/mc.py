"""The MC scheduler, Algorithm I of Tang et al. 2020, on upper quantiles and predicted joules.

It compares the ways to serve a task:

    here         the local net; on a device that holds the cloud net, where the local net is not
                 accurate enough, the cloud net up to the first exit that is
    cloud        by each codec, to the acceptable exit closest to the input
    local first  the local net, and for what it is not sure of the cloud, or the cloud net here
                 (see `local_first.py`), where the local net alone is not accurate enough

A way is sure if its upper quantile is in time. What is sure here is taken back from the cloud at
the last moment, unless the cloud has accepted it and promises the answer in time. So a way to the
cloud that is accepted before that moment is sure, too; it pays for the rescue by the chance of it,
as an upload whose result the device then computes again costs both. In energy mode a rescue is a
hedge where the answer may still come (see `hedge.py`), and so it may be planned for. Where it would
be accepted too late, it goes for good if that is next to certain and the cloud was not late lately.
Of the sure ways performance mode takes the local net, since data stay at home, or else the fastest;
energy mode takes the one of the fewest joules per right answer, which is what E3 counts.

With none sure, a free site is tried if it is in time on the mean, the likeliest first. A refusal is
a failure for certain, and teaches nothing: a way that is met with a careful prior and never tried
would be refused for ever. Where other tasks are, it would be at their cost: an overload is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from mc_sched.core.policies.depth import depth
from mc_sched.core.policies.hedge import run_share
from mc_sched.core.policies.local_first import local_first
from mc_sched.core.policies.options import probability_beyond
from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    Fallback,
    Offload,
    OnDeviceForecast,
    Refuse,
    RunOnEdge,
    SiteForecast,
    View,
    cloud_choices,
    edge_shortfall,
)
from mc_sched.core.quantiles import SURE
from mc_sched.core.task import Mode, Shortfall, Task
from mc_sched.core.value import value

RISK = 0.01
"""Of being late, for which what is sure here is given away for good."""
LEAST_RIGHT = 1e-9
"""Share of right answers below which joules per right answer are no longer told apart."""


@value
class Candidate:
    """One way to serve a task, and what is expected of it."""

    decision: Decision
    time_ns: int
    """Upper quantile, until the answer."""
    energy_j: float
    in_time: float
    """How likely."""
    accuracy: float
    """Of its answer."""
    sure: bool
    free: bool = True
    """Whether no other task is at that site."""


def decide(task: Task, view: View) -> Decision:
    """Of the sure ways the best by the mode, or else the likeliest to a free site."""
    candidates = list(_candidates(task, view))
    sure = [candidate for candidate in candidates if candidate.sure]
    if sure:
        return _best(sure, view).decision
    hopes = [candidate for candidate in candidates if candidate.free]
    if hopes:
        return max(hopes, key=lambda candidate: candidate.in_time).decision
    return _refusal(task, view)


def _best(sure: list[Candidate], view: View) -> Candidate:
    if view.mode is Mode.ENERGY:
        return min(sure, key=_joules_per_right)
    at_home = (candidate for candidate in sure if candidate.decision == RunOnEdge())
    return next(at_home, None) or min(sure, key=lambda candidate: candidate.time_ns)


def _joules_per_right(candidate: Candidate) -> float:
    return candidate.energy_j / max(LEAST_RIGHT, candidate.in_time * candidate.accuracy)


def _candidates(task: Task, view: View) -> Iterator[Candidate]:
    """Those that are in time on the mean and accurate enough; the one here first."""
    local = _local_option(view)
    local_in_time = edge_shortfall(view, local=local) is None
    if edge_shortfall(view, upper=False, local=local) is None or local_in_time:
        in_time = 1.0 - probability_beyond(view.remaining_ns, local)
        yield Candidate(
            _run(local),
            local.upper_ns,
            local.energy_j,
            in_time,
            local.accuracy,
            local_in_time,
            view.edge_free,
        )
    for option in _cloud_options(task, view):
        there = _offload_candidate(option, view, local, local_in_time)
        if there is not None:
            yield there
    for first in local_first(task, view):
        sure, accuracy = first.in_time >= SURE, first.decision.accuracy
        yield Candidate(
            first.decision, first.time_ns, first.energy_j, first.in_time, accuracy, sure
        )


def _local_option(view: View) -> SiteForecast:
    """The local net, or where it is not accurate enough the cloud net up to an exit that is."""
    fit = (option for option in view.whole if option.accuracy >= view.accuracy)
    return view.edge if view.edge.accuracy >= view.accuracy else next(fit, view.edge)


def _cloud_options(task: Task, view: View) -> tuple[CloudForecast, ...]:
    choices = cloud_choices(task, view, upper=False)
    return () if isinstance(choices, Shortfall) else choices


def _offload_candidate(
    option: CloudForecast, view: View, local: SiteForecast, local_in_time: bool
) -> Candidate | None:
    """To the cloud: what is sure here is given away for good only where it has to be."""
    left_ns, hedges = _latest_start_ns(local, view), view.mode is Mode.ENERGY
    if not local_in_time:
        return _alone(option, view, local)
    if (option.mean_ns if hedges else option.accepted_ns) <= left_ns:
        return _with_fallback(option, view, local)
    if _keeps_its_word(view) and probability_beyond(view.remaining_ns, option) <= RISK / 2:
        return _alone(option, view, local)
    return _with_fallback(option, view, local) if hedges and left_ns > 0 else None


def _alone(option: CloudForecast, view: View, local: SiteForecast) -> Candidate:
    """To the cloud, and not taken back."""
    in_time = 1.0 - probability_beyond(view.remaining_ns, option)
    sure = option.upper_ns <= view.remaining_ns
    accuracy = depth(option, view, view.remaining_ns)
    decision = _offload(option, view, local, Fallback.ON_FAILURE)
    return Candidate(
        decision, option.upper_ns, option.energy_j, in_time, accuracy, sure, view.cloud_free
    )


def _with_fallback(option: CloudForecast, view: View, local: SiteForecast) -> Candidate:
    """To the cloud, and taken back where it would be late."""
    left_ns = _latest_start_ns(local, view)
    word_ns = option.accepted_ns - option.mean_ns
    unheard = probability_beyond(left_ns, option, after_ns=word_ns)
    hedged = view.mode is Mode.ENERGY and left_ns < option.upper_ns
    runs = run_share(left_ns, local.mean_ns, option) if hedged else unheard
    rescue_j = max(runs, probability_beyond(view.remaining_ns, option)) * local.energy_j
    accuracy = unheard * local.accuracy + (1.0 - unheard) * depth(option, view, left_ns)
    fallback = Fallback.HEDGED if hedged else Fallback.UNLESS_ACCEPTED
    decision = _offload(option, view, local, fallback)
    return Candidate(decision, option.upper_ns, option.energy_j + rescue_j, 1.0, accuracy, True)


def _keeps_its_word(view: View) -> bool:
    """Whether nothing of ours waits at the cloud, or it was in time the last time.

    Not soon after it was late, though: others may ask more of it than its last report told. Half of
    RISK is left to that, the other half to the forecast.
    """
    return view.since_late * RISK / 2 >= 1 and (view.cloud_free or view.cloud_in_time)


def _latest_start_ns(local: SiteForecast, view: View) -> int:
    """Time until the last moment at which this can still serve the task."""
    return view.latest_start_ns - (local.upper_ns - view.edge.upper_ns)


def _run(local: SiteForecast) -> RunOnEdge:
    return RunOnEdge(local.exit if isinstance(local, OnDeviceForecast) else "")


def _offload(option: CloudForecast, view: View, local: SiteForecast, fallback: Fallback) -> Offload:
    return Offload(
        option.codec,
        view.accuracy,
        view.exit_rule,
        option.upper_ns,
        fallback,
        fallback_exit=_run(local).exit,
    )


def _refusal(task: Task, view: View) -> Refuse:
    edge, cloud = edge_shortfall(view, local=_local_option(view)), cloud_choices(task, view)
    assert edge is not None
    assert isinstance(cloud, Shortfall)
    return Refuse((edge, cloud))
