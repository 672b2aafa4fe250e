"""How likely a way is to be in time, from its forecast's mean and upper quantile."""

from __future__ import annotations

import math

from mc_sched.core.policy import SiteForecast

SURE = 0.95
"""The upper quantile, as it is by default."""
_DEVIATIONS = 1.645
"""From the mean to it, if times were normal."""


def chance_beyond(limit_ns: int, option: SiteForecast, after_ns: int = 0) -> float:
    """That it takes longer than the limit, begun `after_ns` from now."""
    deviation_ns = max(1.0, (option.upper_ns - option.mean_ns) / _DEVIATIONS)
    late_by = (limit_ns - after_ns - option.mean_ns) / deviation_ns
    return 0.5 * math.erfc(late_by / math.sqrt(2))
