"""Tuning of DDNN's entropy threshold: the share of images kept and the accuracy, per threshold.

Teerapittayanon et al. 2017, "Distributed Deep Neural Networks over the Cloud, the Edge and End
Devices" (ICDCS): the device answers if the normalised entropy of its answer is at most a threshold
T, which is chosen on held-out images. The tuning tries one threshold per 40th of the images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mc_sched.core.tables import EntropyThreshold

POINTS = 40
DIGITS = 4


def entropy_thresholds(
    entropies: Sequence[float],
    local_right: Sequence[bool],
    cloud_right: Mapping[str, Sequence[bool]],
) -> tuple[EntropyThreshold, ...]:
    """Return the tried thresholds in ascending order, each with its results on these images.

    Per image: `entropies` of the local net's answer, whether that is right, and whether the cloud
    net is right, by codec. Thresholds are rounded up, so that every image counted as kept is kept.
    """
    order = sorted(entropies)
    ends = (order[math.ceil(len(order) * point / POINTS) - 1] for point in range(1, POINTS + 1))
    tried = {0.0, *(math.ceil(end * 10**DIGITS) / 10**DIGITS for end in ends)}
    return tuple(_point(t, entropies, local_right, cloud_right) for t in sorted(tried))


def _point(
    threshold: float,
    entropies: Sequence[float],
    local_right: Sequence[bool],
    cloud_right: Mapping[str, Sequence[bool]],
) -> EntropyThreshold:
    kept = [entropy <= threshold for entropy in entropies]
    unsure = [right for right, stays in zip(local_right, kept, strict=True) if not stays]
    accuracy = {}
    for codec, answers in cloud_right.items():
        mixed = zip(kept, local_right, answers, strict=True)
        accuracy[codec] = _share([local if stays else cloud for stays, local, cloud in mixed])
    return EntropyThreshold(threshold, _share(kept), accuracy, _share(unsure))


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), DIGITS) if flags else 0.0


def alone(row: EntropyThreshold, codec: str, local_accuracy: float) -> EntropyThreshold:
    """Return the threshold with the accuracy of the kept answers only, if there is no second net.

    `local_accuracy` is that of the local net on all images; on those that are not kept it is
    `row.unsure_accuracy`.
    """
    right = local_accuracy - (1.0 - row.kept) * row.unsure_accuracy
    kept_accuracy = min(1.0, right / row.kept) if row.kept > 0.0 else 0.0
    return replace(row, accuracy={codec: kept_accuracy})


def loosest(
    thresholds: Sequence[EntropyThreshold], codec: str, accuracy: float
) -> EntropyThreshold | None:
    """Return the largest threshold that reaches `accuracy`, or the most accurate one if none does.

    None if this codec was not measured.
    """
    known = [row for row in thresholds if codec in row.accuracy]
    fit = [row for row in known if row.accuracy[codec] >= accuracy]
    if fit:
        return fit[-1]
    return max(known, key=lambda row: row.accuracy[codec], default=None)
