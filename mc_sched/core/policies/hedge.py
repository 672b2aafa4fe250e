"""What it costs to take a task back and still listen: a hedged request.

Dean and Barroso 2013, "The Tail at Scale" (CACM 56:2): ask a second time when the first answer is
overdue, use whichever comes first and cancel the other. Here the second one asked is this device.
Most answers that are missing at the take-back are under way and come soon; then the run here is
broken off and has cost its beginning only.

The run begins at a moment t if the cloud's word has not come by then, and takes L. With the word at
A, normal, and the answer g after it, it goes on for

    E min((A - t)+ + g [A > t], L)  =  g P(A > t) + G(t) - G(t + L - g),   g <= L

where G(x) = E (A - x)+ = s (phi(z) - z (1 - Phi(z))), z = (x - m) / s, is the normal loss function.
"""

from __future__ import annotations

import math

from mc_sched.core.policy import CloudForecast
from mc_sched.core.quantiles import DEVIATIONS, normal_beyond


def run_share(at_ns: int, run_ns: int, option: CloudForecast) -> float:
    """Share of a run here, begun at `at_ns` beside the option, that is done on the mean."""
    spread_ns = option.upper_ns - option.mean_ns
    mean_ns, upper_ns = option.accepted_ns, option.accepted_ns + spread_ns
    answer_ns = min(run_ns, max(0, option.mean_ns - option.accepted_ns))
    done_ns = answer_ns * normal_beyond(at_ns, mean_ns, upper_ns)
    done_ns += _loss_ns(at_ns, mean_ns, spread_ns)
    done_ns -= _loss_ns(at_ns + run_ns - answer_ns, mean_ns, spread_ns)
    return done_ns / max(1, run_ns)


def _loss_ns(limit_ns: int, mean_ns: int, spread_ns: int) -> float:
    """By how much a normal time is beyond the limit, on the mean; at most the limit: 0."""
    deviation_ns = max(1.0, spread_ns / DEVIATIONS)
    z = (limit_ns - mean_ns) / deviation_ns
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return deviation_ns * (density - z * 0.5 * math.erfc(z / math.sqrt(2)))
