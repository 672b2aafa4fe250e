"""The value of a padded probe: it is worth its joules if a faster link could change a decision.

If all tasks stay on the device, only probes measure the uplink. So the policy decides twice on the
next task: with the link as it is forecast, and as if it were as fast as at its recent best. If the
decisions differ, the link is worth measuring soon.
"""

from __future__ import annotations

from dataclasses import replace

from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.forecasts.view import EdgeViews
from mc_sched.core.policy import CloudForecast, Policy, View
from mc_sched.core.task import Task


class ProbeValue:
    """Compares a policy's decisions on the forecast link and on the link at its recent best."""

    def __init__(self, forecast: EdgeForecast, views: EdgeViews) -> None:
        self._forecast, self._views = forecast, views

    def is_worth_it(self, task: Task, view: View, policy: Policy) -> bool:
        """Return True if the policy would decide differently with the link at its recent best."""
        if not view.cloud:
            return False
        at_best = tuple(self._at_best(option, view.now_ns, task) for option in view.cloud)
        best_view = replace(view, cloud=at_best)
        return type(policy(task, view)) is not type(policy(task, best_view))

    def _at_best(self, option: CloudForecast, now_ns: int, task: Task) -> CloudForecast:
        """Return the option with the upload's mean and quantile on the link at its recent best."""
        link = self._forecast.link
        size_bytes = self._forecast.payload_bytes(task, option.codec)
        best_ns = link.up_best_ns(now_ns, size_bytes)
        saved_ns = max(0, link.up_mean_ns(now_ns, size_bytes) - best_ns)
        upper_ns = link.up_upper_ns(now_ns, size_bytes, self._forecast.offload_level)
        mean_ns = option.mean_ns - saved_ns
        return replace(
            option,
            mean_ns=mean_ns,
            upper_ns=max(mean_ns, option.upper_ns - max(0, upper_ns - best_ns)),
            accepted_ns=option.accepted_ns - saved_ns,
            energy_j=option.energy_j - self._views.transmit_j(saved_ns),
        )
