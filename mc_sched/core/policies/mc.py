"""The MC scheduler: Algorithm I of Tang et al. 2020, with upper quantiles and predicted joules.

It compares these candidates:

    local        the local net; if that is not accurate enough and the device holds the cloud net,
                 the cloud net up to the first exit that is
    cloud        for each codec, an offload to the acceptable exit closest to the input
    local first  the local net, and the cloud or the cloud net on the device for the images that it
                 is not sure of (see `local_first.py`); only if it is not accurate enough alone

A candidate is sure if the upper quantile of its time meets the deadline.

- If the local run is sure, an offload falls back to it at the latest start, unless the cloud has
  accepted the task and reports that it is on time. An offload that is expected to be accepted
  before the latest start is therefore sure as well. Its energy includes that of the local run times
  the probability of the fallback, since the device then pays for both.
- In energy mode the fallback is a hedge if the answer may come after the latest start (see
  `hedge.py`), so an offload may be chosen even if the fallback is probable.
- An offload that would be accepted too late for this is made without a timer, but only if P(late)
  is below `RISK` and the cloud has recently been on time.

Of the sure candidates, performance mode takes the local net, since data then stay on the device, or
else the fastest one; energy mode takes the one with the fewest joules per right answer, which is
what E3 counts.

If no candidate is sure, the free site that is most likely to be in time is tried, provided that its
mean is in time. A refusal is a certain failure and yields no measurement: a site that a careful
prior rules out would never be tried. A site that other tasks use is not tried, because they would
pay for it; so an overload is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from mc_sched.core.policies.depth import accuracy_by
from mc_sched.core.policies.hedge import run_share
from mc_sched.core.policies.local_first import local_first_candidates
from mc_sched.core.policies.options import cloud_choices, edge_shortfall, probability_beyond
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
)
from mc_sched.core.quantiles import SURE
from mc_sched.core.task import Mode, Shortfall, Task
from mc_sched.core.value import value

RISK = 0.01
"""Largest P(late) of an offload without a timer if the local run would be sure."""
LEAST_RIGHT = 1e-9
"""Probability of a right answer below which joules per right answer are no longer compared."""


@value
class Candidate:
    """A decision and its expected results."""

    decision: Decision
    time_ns: int
    """Upper quantile of the time until the answer."""
    energy_j: float
    in_time: float
    """Probability that the answer meets the deadline."""
    accuracy: float
    sure: bool
    free: bool = True
    """True if this edge has no other task at the candidate's site."""


def decide(task: Task, view: View) -> Decision:
    """Take the best sure candidate, else the one at a free site that is most probably in time."""
    candidates = list(_candidates(task, view))
    sure = [candidate for candidate in candidates if candidate.sure]
    if sure:
        return _best(sure, view).decision
    free = [candidate for candidate in candidates if candidate.free]
    if free:
        return max(free, key=lambda candidate: candidate.in_time).decision
    return _refusal(task, view)


def _best(sure: list[Candidate], view: View) -> Candidate:
    if view.mode is Mode.ENERGY:
        return min(sure, key=_joules_per_right)
    local = (candidate for candidate in sure if candidate.decision == RunOnEdge())
    return next(local, None) or min(sure, key=lambda candidate: candidate.time_ns)


def _joules_per_right(candidate: Candidate) -> float:
    return candidate.energy_j / max(LEAST_RIGHT, candidate.in_time * candidate.accuracy)


def _candidates(task: Task, view: View) -> Iterator[Candidate]:
    """Yield those that are in time on the mean and accurate enough; the local one comes first."""
    local = _local_option(view)
    local_sure = edge_shortfall(view, local=local) is None
    if edge_shortfall(view, upper=False, local=local) is None or local_sure:
        in_time = 1.0 - probability_beyond(view.remaining_ns, local)
        yield Candidate(
            _run(local),
            local.upper_ns,
            local.energy_j,
            in_time,
            local.accuracy,
            local_sure,
            view.edge_free,
        )
    for option in _cloud_options(task, view):
        offload = _offload_candidate(option, view, local, local_sure)
        if offload is not None:
            yield offload
    for first in local_first_candidates(task, view):
        sure, accuracy = first.in_time >= SURE, first.decision.accuracy
        yield Candidate(
            first.decision, first.time_ns, first.energy_j, first.in_time, accuracy, sure
        )


def _local_option(view: View) -> SiteForecast:
    """Return the local net, or if it is not accurate enough the first exit on the device that is.

    If no exit is either, the local net.
    """
    fit = (option for option in view.on_device if option.accuracy >= view.accuracy)
    return view.edge if view.edge.accuracy >= view.accuracy else next(fit, view.edge)


def _cloud_options(task: Task, view: View) -> tuple[CloudForecast, ...]:
    choices = cloud_choices(task, view, upper=False)
    return () if isinstance(choices, Shortfall) else choices


def _offload_candidate(
    option: CloudForecast, view: View, local: SiteForecast, local_sure: bool
) -> Candidate | None:
    """Offload with a fallback timer, or without one if that is safe; None if neither applies."""
    left_ns, hedges = _latest_start_ns(local, view), view.mode is Mode.ENERGY
    if not local_sure:
        return _without_timer(option, view, local)
    if (option.mean_ns if hedges else option.accepted_ns) <= left_ns:
        return _with_timer(option, view, local)
    if _cloud_is_reliable(view) and probability_beyond(view.remaining_ns, option) <= RISK / 2:
        return _without_timer(option, view, local)
    return _with_timer(option, view, local) if hedges and left_ns > 0 else None


def _without_timer(option: CloudForecast, view: View, local: SiteForecast) -> Candidate:
    """Offload, with a fallback only if the cloud fails."""
    in_time = 1.0 - probability_beyond(view.remaining_ns, option)
    sure = option.upper_ns <= view.remaining_ns
    accuracy = accuracy_by(option, view, view.remaining_ns)
    decision = _offload(option, view, local, Fallback.ON_FAILURE)
    return Candidate(
        decision, option.upper_ns, option.energy_j, in_time, accuracy, sure, view.cloud_free
    )


def _with_timer(option: CloudForecast, view: View, local: SiteForecast) -> Candidate:
    """Offload, with a fallback at the latest start."""
    left_ns = _latest_start_ns(local, view)
    reply_ns = option.mean_ns - option.accepted_ns
    unaccepted = probability_beyond(left_ns, option, after_ns=-reply_ns)
    hedged = view.mode is Mode.ENERGY and left_ns < option.upper_ns
    run = run_share(left_ns, local.mean_ns, option) if hedged else unaccepted
    fallback_j = max(run, probability_beyond(view.remaining_ns, option)) * local.energy_j
    accuracy = unaccepted * local.accuracy + (1.0 - unaccepted) * accuracy_by(option, view, left_ns)
    fallback = Fallback.HEDGED if hedged else Fallback.UNLESS_ACCEPTED
    decision = _offload(option, view, local, fallback)
    return Candidate(decision, option.upper_ns, option.energy_j + fallback_j, 1.0, accuracy, True)


def _cloud_is_reliable(view: View) -> bool:
    """Return True if this edge has nothing in the cloud or its last offload was in time.

    For some tasks after a late one it is False in any case: other edges may ask more of the cloud
    than its last report showed. Half of RISK is spent on that, the other half on the forecast.
    """
    return view.tasks_since_late * RISK / 2 >= 1 and (view.cloud_free or view.cloud_in_time)


def _latest_start_ns(local: SiteForecast, view: View) -> int:
    """Return the time until the last moment at which `local` can still start."""
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
