"""Max-min fair division of places among those who use them.

If the places do not suffice, each gets what it can use or an equal share, whichever is less
(Bertsekas and Gallager 1992, "Data Networks", section 6.5.2). Use varies: who uses two places on
average needs six for a moment. To set six aside all the time would leave most of them empty,
because different users seldom need them at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from mc_sched.core.value import value

MODEST = 0.85
"""An edge that needs less than this part of its share on average is not limited to the share."""
SPREADS = 2.0
"""Standard deviations above the average need of such edges that are set aside for them."""


@value
class Use:
    """Places that an edge could use now, and those that it needs on average."""

    most: int
    mean: float


def fair_shares(size: int, edges: Mapping[str, Use]) -> dict[str, int]:
    """Divide `size` places max-min fairly, at least one per edge.

    If the places suffice, each edge gets what it can use and an equal part of the rest. Otherwise
    an edge that needs much less than its share on average gets what it can use, and only its
    average, with a margin, is set aside. The other edges share what is left. Each of them gets the
    same unless it can use less; the first ones get the places that do not divide equally.
    """
    unused = size - sum(use.most for use in edges.values())
    if unused >= 0:
        return {edge_id: use.most + unused // len(edges) for edge_id, use in edges.items()}
    shares: dict[str, int] = {}
    others = sorted(edges, key=lambda edge_id: edges[edge_id].mean)
    needed, left = 0.0, float(size)
    while others:
        use, share = edges[others[0]], left / len(others)
        if use.mean > MODEST * share and use.most > share:
            break
        shares[others.pop(0)] = max(1, min(size, use.most))
        needed += use.mean
        # the others get at least an equal share
        equal = len(shares) * size / len(edges)
        set_aside = min(_with_margin(needed), sum(shares.values()), equal)
        left = size - set_aside
    return shares | _equal_shares(int(left), {edge_id: edges[edge_id].most for edge_id in others})


def _with_margin(mean: float) -> float:
    """Places that nearly always suffice if `mean` are needed on average by independent tasks."""
    return mean + SPREADS * math.sqrt(mean)


def _equal_shares(size: int, most: Mapping[str, int]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for edge_id in sorted(most, key=lambda edge_id: most[edge_id]):
        equal = -(-size // (len(most) - len(shares)))
        shares[edge_id] = max(1, min(most[edge_id], equal))
        size = max(0, size - shares[edge_id])
    return shares
