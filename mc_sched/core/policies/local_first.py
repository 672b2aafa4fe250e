"""The local net first and the cloud net where it is not sure, as ways among others.

What DDNN always does (see `ddnn.py`), for a task of more accuracy than the local net has: the
threshold is tuned so that all answers together, those that stay and those that go on, reach the
QoR. Unlike DDNN nothing is sent that could not be in time any more, and a device that holds the
cloud net may run it itself on what the local net is not sure of, or on what the cloud would be late
with. With nothing behind the local net, where no site can be reached in time, its sure answers are
better than none; these have to reach the QoR by themselves, by a stricter threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mc_sched.core.policies.entropy_threshold import alone, loosest
from mc_sched.core.policies.options import probability_beyond
from mc_sched.core.policy import (
    EdgeFirst,
    Fallback,
    OnDeviceForecast,
    SiteForecast,
    View,
    allowed_options,
    to_last_exit,
)
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import Shortfall, Task
from mc_sched.core.value import value

LIKELY = 0.5
"""A way that fails more often is none, as one that would be late on the mean."""


@value
class LocalFirst:
    """What the way is expected to deliver, on the mean over images."""

    decision: EdgeFirst
    in_time: float
    """Share of the images."""
    time_ns: int
    energy_j: float


def local_first(task: Task, view: View) -> Iterator[LocalFirst]:
    """None where the local net alone would do or is late, or the QoR is not known to be reached."""
    if view.edge.upper_ns > view.remaining_ns or view.edge.accuracy >= view.accuracy:
        return
    whole = view.whole[-1] if view.whole else None
    for way in (*_then_there(task, view, whole), *_then_here(view, whole)):
        if way.in_time >= LIKELY:
            yield way


def _then_there(task: Task, view: View, whole: OnDeviceForecast | None) -> Iterator[LocalFirst]:
    """The cloud behind the local net; what it would be late with runs here, if that can be."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return
    fall_back = "" if whole is None else whole.exit
    offload = replace(
        to_last_exit(allowed), fallback=Fallback.UNLESS_ACCEPTED, fallback_exit=fall_back
    )
    threshold = _reaching(view, offload.codec)
    if threshold is not None:
        last = next(o for o in reversed(allowed) if o.codec == offload.codec)
        yield _expected(view, EdgeFirst(threshold, offload), last, fall_back=whole)


def _then_here(view: View, whole: OnDeviceForecast | None) -> Iterator[LocalFirst]:
    """The cloud net on the device, or nothing, behind the local net."""
    in_time = whole is not None and view.edge.mean_ns + whole.mean_ns <= view.remaining_ns
    behind = whole if in_time else None
    threshold = _reaching(view, "jpeg")
    if threshold is not None and behind is None:
        threshold = _sure_alone(view, threshold)
    if threshold is not None:
        exit_ = "" if behind is None else behind.exit
        yield _expected(view, EdgeFirst(threshold, None, exit_), behind)


def _reaching(view: View, codec: str) -> EntropyThreshold | None:
    """The largest threshold whose answers together reach the QoR."""
    threshold = loosest(view.thresholds, codec, view.accuracy)
    fit = threshold is not None and threshold.accuracy[codec] >= view.accuracy
    return threshold if fit else None


def _sure_alone(view: View, together: EntropyThreshold) -> EntropyThreshold | None:
    """The largest threshold whose answers reach the QoR by themselves: no others will come.

    None is larger than that which reaches it `together` with others.
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
    decision: EdgeFirst,
    behind: SiteForecast | None,
    fall_back: SiteForecast | None = None,
) -> LocalFirst:
    """`behind` gets what the local net is not sure of; `rescue` what that is late with."""
    unsure = 1.0 - decision.threshold.kept
    if behind is None:
        return LocalFirst(decision, 1.0 - unsure, view.edge.upper_ns, view.edge.energy_j)
    late = _late(view, behind)
    goes_on = unsure if view.edge.mean_ns + behind.mean_ns <= view.remaining_ns else 0.0
    energy_j = view.edge.energy_j + goes_on * behind.energy_j
    if fall_back is not None:
        energy_j += unsure * late * fall_back.energy_j
        late *= _late(view, fall_back)
    return LocalFirst(
        decision,
        in_time=1.0 - unsure * late,
        time_ns=view.edge.upper_ns + int(goes_on * behind.upper_ns),
        energy_j=energy_j,
    )


def _late(view: View, option: SiteForecast) -> float:
    return probability_beyond(view.remaining_ns, option, after_ns=view.edge.mean_ns)
