"""Candidates that run the local net first, and a larger network on the images it is not sure of.

DDNN does this for every task (see `baselines/ddnn.py`); `mc` considers it for a task that requires
more accuracy than the local net has. The threshold is tuned so that all answers together, those of
the local net and those of the larger network, reach the QoR. Unlike DDNN, nothing is sent that
could no longer be in time, and a device that holds the cloud net may run it on images that the
local net is not sure of, or that the cloud would answer late. If no larger network can be reached
in time, the local net's sure answers are better than none; they have to reach the QoR by
themselves, which takes a stricter threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mc_sched.core.policies.entropy_threshold import alone, loosest
from mc_sched.core.policies.options import (
    allowed_options,
    offload_to_last_exit,
    probability_beyond,
)
from mc_sched.core.policy import Fallback, LocalFirst, OnDeviceForecast, SiteForecast, View
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import Shortfall, Task
from mc_sched.core.value import value

LEAST_IN_TIME = 0.5
"""Candidates with a smaller share in time are dropped, as options whose mean is late are."""


@value
class LocalFirstCandidate:
    """A decision for local first, with its expected results averaged over images."""

    decision: LocalFirst
    in_time: float
    """Share of the images that are answered in time."""
    time_ns: int
    energy_j: float


def local_first_candidates(task: Task, view: View) -> Iterator[LocalFirstCandidate]:
    """Yield the candidates that are in time for most images.

    There are none if the local net alone would do or would be late, or if no threshold is known to
    reach the QoR.
    """
    if view.edge.upper_ns > view.remaining_ns or view.edge.accuracy >= view.accuracy:
        return
    on_device = view.on_device[-1] if view.on_device else None
    for candidate in (*_then_cloud(task, view, on_device), *_then_on_device(view, on_device)):
        if candidate.in_time >= LEAST_IN_TIME:
            yield candidate


def _then_cloud(
    task: Task, view: View, on_device: OnDeviceForecast | None
) -> Iterator[LocalFirstCandidate]:
    """Offload what the local net is not sure of; run the rest on the device if it holds the net."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return
    offload = replace(
        offload_to_last_exit(allowed),
        fallback=Fallback.UNLESS_ACCEPTED,
        fallback_exit="" if on_device is None else on_device.exit,
    )
    threshold = _reaching(view, offload.codec)
    if threshold is not None:
        last = next(o for o in reversed(allowed) if o.codec == offload.codec)
        yield _expected(view, LocalFirst(threshold, offload), last, fallback=on_device)


def _then_on_device(
    view: View, on_device: OnDeviceForecast | None
) -> Iterator[LocalFirstCandidate]:
    """Run the cloud net on the device after the local net, or nothing if that would be late."""
    in_time = on_device is not None and view.edge.mean_ns + on_device.mean_ns <= view.remaining_ns
    second = on_device if in_time else None
    threshold = _reaching(view, "jpeg")
    if threshold is not None and second is None:
        threshold = _sure_alone(view, threshold)
    if threshold is not None:
        exit_ = "" if second is None else second.exit
        yield _expected(view, LocalFirst(threshold, None, exit_), second)


def _reaching(view: View, codec: str) -> EntropyThreshold | None:
    """Return the largest threshold with which all answers together reach the QoR."""
    threshold = loosest(view.thresholds, codec, view.accuracy)
    fit = threshold is not None and threshold.accuracy[codec] >= view.accuracy
    return threshold if fit else None


def _sure_alone(view: View, together: EntropyThreshold) -> EntropyThreshold | None:
    """Return the largest threshold whose kept answers alone reach the QoR.

    It is not larger than `together`, with which the kept answers and others reach it.
    """
    for row in reversed(view.thresholds):
        if row.entropy > together.entropy:
            continue
        threshold = alone(row, "jpeg", view.edge.accuracy)
        if threshold.accuracy["jpeg"] >= view.accuracy:
            return threshold
    return None


def _expected(
    view: View,
    decision: LocalFirst,
    second: SiteForecast | None,
    fallback: SiteForecast | None = None,
) -> LocalFirstCandidate:
    """Average over images: `second` gets the unsure ones, `fallback` those that it is late with."""
    unsure = 1.0 - decision.threshold.kept
    if second is None:
        return LocalFirstCandidate(decision, 1.0 - unsure, view.edge.upper_ns, view.edge.energy_j)
    late = _probability_late(view, second)
    continued = unsure if view.edge.mean_ns + second.mean_ns <= view.remaining_ns else 0.0
    energy_j = view.edge.energy_j + continued * second.energy_j
    if fallback is not None:
        energy_j += unsure * late * fallback.energy_j
        late *= _probability_late(view, fallback)
    return LocalFirstCandidate(
        decision,
        in_time=1.0 - unsure * late,
        time_ns=view.edge.upper_ns + int(continued * second.upper_ns),
        energy_j=energy_j,
    )


def _probability_late(view: View, option: SiteForecast) -> float:
    return probability_beyond(view.remaining_ns, option, after_ns=view.edge.mean_ns)
