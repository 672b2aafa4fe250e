"""How DDNN's threshold is tuned: the curve of what each threshold keeps and what it reaches.

Teerapittayanon et al. 2017, "Distributed Deep Neural Networks over the Cloud, the Edge and End
Devices" (ICDCS): an answer leaves at the device if its normalised entropy is at most a threshold T,
and T is chosen on held-out images. The curve has a point for every 40th of the images.
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
    """The curve on these images: each one's entropy, and who is right about it, by codec.

    Thresholds are rounded up, so that an image that is counted as kept is kept.
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
    stays = [entropy <= threshold for entropy in entropies]
    rest = [right for right, kept in zip(local_right, stays, strict=True) if not kept]
    accuracy = {}
    for codec, answers in cloud_right.items():
        mixed = zip(stays, local_right, answers, strict=True)
        accuracy[codec] = _share([here if kept else there for kept, here, there in mixed])
    return EntropyThreshold(threshold, _share(stays), accuracy, _share(rest))


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), DIGITS) if flags else 0.0


def alone(row: EntropyThreshold, codec: str, local_accuracy: float) -> EntropyThreshold:
    """The rule with nothing behind it: its accuracy is that of the answers that stay.

    `local_accuracy`: of the local net on all images, of which those that do not stay have
    `unsure_accuracy`.
    """
    right = local_accuracy - (1.0 - row.kept) * row.unsure_accuracy
    stays = min(1.0, right / row.kept) if row.kept > 0.0 else 0.0
    return replace(row, accuracy={codec: stays})


def loosest(
    thresholds: Sequence[EntropyThreshold], codec: str, accuracy: float
) -> EntropyThreshold | None:
    """The largest threshold that reaches `accuracy`, or where none does the most accurate one.

    None if this codec was not measured.
    """
    known = [row for row in thresholds if codec in row.accuracy]
    fit = [row for row in known if row.accuracy[codec] >= accuracy]
    if fit:
        return fit[-1]
    return max(known, key=lambda row: row.accuracy[codec], default=None)
