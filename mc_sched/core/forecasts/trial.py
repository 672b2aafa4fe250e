"""Trials on the edge: a task that would be refused goes to an idle site that nothing measured.

See `predictors/trial.py` for the reason. The policy decides again, on forecasts without the old
measurements of that site: the profile's times, and the link as the newest probes show it at best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mc_sched.core.policy import View
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.encode_time import EncodeTimePredictor
from mc_sched.core.predictors.local_time import LocalTimePredictor
from mc_sched.core.predictors.trial import TRIAL_AFTER_NS, may_follow
from mc_sched.core.task import Site

if TYPE_CHECKING:
    from mc_sched.core.forecasts.edge_forecast import EdgeForecast


class Trial:
    """The forecasts of a task that is tried, in place of those of `EdgeForecast`."""

    __slots__ = (
        "after_ns", "cloud", "cloud_slowdown", "encode", "link", "local", "local_level",
        "offload_level", "sites",
    )  # fmt: skip

    def __init__(self, forecast: EdgeForecast, sites: frozenset[Site], after_ns: int) -> None:
        self.sites, self.after_ns = sites, after_ns
        """The sites whose measurements are ignored, and the time since the last one."""
        self.local, self.local_level = forecast.local, forecast.local_level
        self.encode, self.link, self.cloud = forecast.encode, forecast.link, forecast.cloud
        self.offload_level = forecast.offload_level
        self.cloud_slowdown = forecast.cloud_slowdown

    def tests(self, site: Site) -> bool:
        """True if this trial tests the site."""
        return site in self.sites


class EdgeTrials:
    """Decides whether a task may be tried, and by which forecasts."""

    def __init__(self, forecast: EdgeForecast, quantile: float) -> None:
        self._forecast = forecast
        self._last_ns = dict.fromkeys(Site, -TRIAL_AFTER_NS)
        """Moment of the last trial at each site."""
        self.set_quantile(quantile)

    def set_quantile(self, quantile: float) -> None:
        """Forecast trials at another upper quantile from now on."""
        table = self._forecast.local_table
        self._quantile, self._level = quantile, AdaptiveLevel(quantile)
        self._local = LocalTimePredictor(table, quantile)
        self._encode = EncodeTimePredictor(table, quantile)
        self._cloud: CloudTimePredictor | None = None

    def offer(self, now_ns: int, view: View) -> Trial | None:
        """Return the forecasts by which a task may be tried that was refused on `view`."""
        forecast, sites = self._forecast, set()
        if view.edge_free and self._may_follow(now_ns, Site.EDGE, forecast.local.measured_ns):
            sites.add(Site.EDGE)
        cloud = forecast.usable_cloud
        if cloud is not None and view.cloud_free:
            measured_ns = max(cloud.measured_ns, forecast.encode.measured_ns)
            if self._may_follow(now_ns, Site.CLOUD, measured_ns):
                sites.add(Site.CLOUD)
        return self._trial(now_ns, frozenset(sites), cloud) if sites else None

    def _may_follow(self, now_ns: int, site: Site, measured_ns: int) -> bool:
        return may_follow(now_ns, measured_ns, self._last_ns[site])

    def _trial(
        self, now_ns: int, sites: frozenset[Site], cloud: CloudTimePredictor | None
    ) -> Trial:
        forecast = self._forecast
        measured_ns = 0
        if Site.EDGE in sites:
            measured_ns = forecast.local.measured_ns
        if Site.CLOUD in sites and cloud is not None:
            measured_ns = max(measured_ns, cloud.measured_ns)
        trial = Trial(forecast, sites, now_ns - measured_ns)
        if Site.EDGE in sites:
            trial.local, trial.local_level = self._local, self._level
        if Site.CLOUD in sites and cloud is not None:
            trial.cloud, trial.encode = self._profile_of(cloud), self._encode
            trial.link = forecast.link.newest_only(now_ns)
            trial.offload_level, trial.cloud_slowdown = self._level, 1.0
        return trial

    def _profile_of(self, cloud: CloudTimePredictor) -> CloudTimePredictor:
        """Return forecasts for the same cloud without any measurement."""
        if self._cloud is None or self._cloud.table is not cloud.table:
            self._cloud = CloudTimePredictor(cloud.table, self._quantile)
        return self._cloud

    def begin(self, now_ns: int, trial: Trial) -> None:
        """Note that a task is tried."""
        for site in trial.sites:
            self._last_ns[site] = now_ns
