"""How sure the local net is, as DDNN asks: the normalised entropy of a simulated answer.

Where a table tells how entropies were spread in reality, the simulated ones are spread likewise:
the surest tenth of the images has the entropies that the surest tenth had. Where none was measured
the entropy follows from the confidence (see `truth.py`), what is left of it being spread evenly
over all other classes, and the thresholds are tuned on simulated images, by the same rule.
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
"""A stream of its own: none of a run's."""
Accuracies = tuple[tuple[str, float], ...]


def with_thresholds(local: LocalTable, cloud: CloudTable | None) -> LocalTable:
    """The table with DDNN's thresholds: measured ones if it has them, or else tuned here."""
    if local.thresholds or cloud is None:
        return local
    last = cloud.exits[-1]
    usual = {codec.name for codec in cloud.codecs}
    known = tuple((codec, share) for codec, share in last.accuracy.items() if codec in usual)
    return replace(local, thresholds=_tuned(local.accuracy, len(cloud.exits), known))


@cache
def _tuned(local: float, last: int, cloud: Accuracies) -> tuple[EntropyThreshold, ...]:
    """By the local net's accuracy, the last exit's number and its accuracy per codec."""
    truth, images = Truth("validation"), range(VALIDATION_IMAGES)
    return entropy_thresholds(
        [natural_entropy(truth.confidence(image, 0, local)) for image in images],
        [truth.is_right(image, 0, local) for image in images],
        {codec: [truth.is_right(i, last, share) for i in images] for codec, share in cloud},
    )


def entropy_by_rank(thresholds: Sequence[EntropyThreshold]) -> tuple[float, ...]:
    """The entropy of an answer by its rank, from the surest of `RANKS` to the least sure.

    Nothing where there are no thresholds: an edge without a cloud asks nobody when it is not sure.
    """
    if not thresholds:
        return ()
    shares = [row.kept for row in thresholds]
    return tuple(_at((rank + 0.5) / RANKS, shares, thresholds) for rank in range(RANKS))


def _at(share: float, shares: list[float], thresholds: Sequence[EntropyThreshold]) -> float:
    """The threshold that would keep this share, between those of the table."""
    above = bisect_left(shares, share)
    if above == 0 or above == len(shares):
        return thresholds[min(above, len(shares) - 1)].entropy
    low, high = thresholds[above - 1], thresholds[above]
    part = (share - low.kept) / (high.kept - low.kept)
    return low.entropy + part * (high.entropy - low.entropy)
