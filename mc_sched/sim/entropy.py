"""The normalised entropy of the local net's simulated answers, by which DDNN judges them.

If a table holds measured thresholds, simulated entropies have the measured distribution: the surest
tenth of the images has the entropies of the surest tenth in reality. Otherwise an answer's entropy
follows from its confidence (see `truth.py`), and the thresholds are tuned on simulated images.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from mc_sched.core.policies.entropy_threshold import entropy_thresholds
from mc_sched.core.tables import CloudTable, EntropyThreshold, LocalTable
from mc_sched.sim.truth import RANKS, Truth, natural_entropy

VALIDATION_IMAGES = 4096
"""Number of images in the validation stream, which no run uses."""
Accuracies = tuple[tuple[str, float], ...]


def with_thresholds(local: LocalTable, cloud: CloudTable | None) -> LocalTable:
    """Return the table with DDNN's thresholds: its measured ones, or else tuned ones."""
    if local.thresholds or cloud is None:
        return local
    last = cloud.exits[-1]
    usual = {codec.name for codec in cloud.codecs}
    known = tuple((codec, share) for codec, share in last.accuracy.items() if codec in usual)
    return replace(local, thresholds=_tuned(local.accuracy, len(cloud.exits), known))


@cache
def _tuned(local: float, last: int, cloud: Accuracies) -> tuple[EntropyThreshold, ...]:
    """Tune for a local net's accuracy, and the last exit's number and its accuracy per codec."""
    truth, images = Truth("validation"), range(VALIDATION_IMAGES)
    return entropy_thresholds(
        [natural_entropy(truth.confidence(image, 0, local)) for image in images],
        [truth.is_right(image, 0, local) for image in images],
        {codec: [truth.is_right(i, last, share) for i in images] for codec, share in cloud},
    )


def entropy_by_rank(thresholds: Sequence[EntropyThreshold]) -> tuple[float, ...]:
    """Return the entropy of an answer by its rank, from the surest of `RANKS` to the least sure.

    Empty if there are no thresholds: without a cloud an edge has no use for entropies.
    """
    if not thresholds:
        return ()
    shares = [row.kept for row in thresholds]
    return tuple(_at((rank + 0.5) / RANKS, shares, thresholds) for rank in range(RANKS))


def _at(share: float, shares: list[float], thresholds: Sequence[EntropyThreshold]) -> float:
    """Interpolate the threshold that would keep this share of the images."""
    above = bisect_left(shares, share)
    if above == 0 or above == len(shares):
        return thresholds[min(above, len(shares) - 1)].entropy
    low, high = thresholds[above - 1], thresholds[above]
    part = (share - low.kept) / (high.kept - low.kept)
    return low.entropy + part * (high.entropy - low.entropy)
