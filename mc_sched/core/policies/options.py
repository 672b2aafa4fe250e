"""How likely a way is to be in time, from its forecast's mean and upper quantile."""

from __future__ import annotations

from mc_sched.core.policy import SiteForecast
from mc_sched.core.quantiles import normal_beyond


def probability_beyond(limit_ns: int, option: SiteForecast, after_ns: int = 0) -> float:
    """That it takes longer than the limit, begun `after_ns` from now."""
    return normal_beyond(limit_ns - after_ns, option.mean_ns, option.upper_ns)
