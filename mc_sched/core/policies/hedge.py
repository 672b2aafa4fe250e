"""Expected cost of a hedge: a local run that starts while the offload is still in progress.

Dean and Barroso 2013, "The Tail at Scale" (CACM 56:2): if the first answer is overdue, send a
second request, use whichever answer comes first and cancel the other. In mc-sched the second
request is a run on the device. Most answers that are overdue at the latest start arrive soon; the
local run is then aborted and has cost only its beginning.

The run starts at time t if the cloud's acceptance has not arrived by then, and takes L. Acceptance
arrives at a normally distributed time A, and the answer g later. The run's expected duration is

    E min((A - t)+ + g [A > t], L)  =  g P(A > t) + G(t) - G(t + L - g),   g <= L

where G(x) = E (A - x)+ = s (phi(z) - z (1 - Phi(z))), z = (x - m) / s, is the normal loss function.
"""

from __future__ import annotations

import math

from mc_sched.core.policy import CloudForecast
from mc_sched.core.quantiles import DEVIATIONS, normal_exceedance


def run_share(at_ns: int, run_ns: int, option: CloudForecast) -> float:
    """Return the expected share of a local run, started at `at_ns`, that is done before it ends."""
    margin_ns = option.upper_ns - option.mean_ns
    mean_ns, upper_ns = option.accepted_ns, option.accepted_ns + margin_ns
    answer_ns = min(run_ns, max(0, option.mean_ns - option.accepted_ns))
    done_ns = answer_ns * normal_exceedance(at_ns, mean_ns, upper_ns)
    done_ns += _loss_ns(at_ns, mean_ns, margin_ns)
    done_ns -= _loss_ns(at_ns + run_ns - answer_ns, mean_ns, margin_ns)
    return done_ns / max(1, run_ns)


def _loss_ns(limit_ns: int, mean_ns: int, margin_ns: int) -> float:
    """Return the expected excess of a normal time over the limit; times below it count as 0.

    `margin_ns` is the distance from the mean to the upper quantile.
    """
    deviation_ns = max(1.0, margin_ns / DEVIATIONS)
    z = (limit_ns - mean_ns) / deviation_ns
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return deviation_ns * (density - z * 0.5 * math.erfc(z / math.sqrt(2)))
