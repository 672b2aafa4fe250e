"""Metric families from what the machines keep: base units, `mc_` in front of every name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability


def gauge(name: str, what: str, value: float) -> Metric:
    """One figure that goes up and down."""
    return GaugeMetricFamily(name, what, value)


def gauges(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    """The same by one label."""
    family = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def power(rails_w: Mapping[str, float]) -> Metric:
    """Watts by rail."""
    return gauges("mc_power_watts", "Power by rail, as the sensor says.", "rail", rails_w)


def counter(name: str, what: str, value: float) -> Metric:
    """One figure that only grows."""
    return CounterMetricFamily(name, what, value)


def counters(
    name: str, what: str, labels: Iterable[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """The same by labels."""
    family = CounterMetricFamily(name, what, labels=list(labels))
    for key, value in values:
        family.add_metric(list(key), value)
    return family


def histograms(name: str, what: str, label: str, values: Mapping[str, Histogram]) -> Metric:
    """Durations in seconds, by one label."""
    family = HistogramMetricFamily(name, what, labels=[label])
    for key, found in values.items():
        family.add_metric([key], _buckets(found), found.sum_ns / 1e9)
    return family


def histogram(name: str, what: str, found: Histogram) -> Metric:
    """Durations in seconds."""
    return HistogramMetricFamily(name, what, _buckets(found), found.sum_ns / 1e9)


def _buckets(found: Histogram) -> list[tuple[str, float]]:
    ends = [f"{bound / 1e9:g}" for bound in found.bounds_ns]
    return list(zip([*ends, "+Inf"], accumulate(found.counts), strict=True))


def info(values: Mapping[str, str]) -> Metric:
    """What the agent is."""
    return InfoMetricFamily("mc_agent", "What this agent is.", value=dict(values))


def forecasts(found: Mapping[str, Reliability]) -> Iterator[Metric]:
    """How good the predictors were lately."""
    yield gauges(
        "mc_prediction_error_ratio", "Mean absolute error of the last forecasts, as a share.",
        "predictor", {name: r.mape for name, r in found.items()},
    )  # fmt: skip
    yield gauges(
        "mc_prediction_coverage_ratio", "Share of the last forecasts whose upper quantile held.",
        "predictor", {name: r.coverage for name, r in found.items()},
    )  # fmt: skip


def certificates(ends: Mapping[str, datetime]) -> Metric:
    """When the certificate in use on each port ends."""
    return gauges(
        "mc_certificate_expiry_timestamp_seconds", "When the certificate in use on a port ends.",
        "port", {port: end.timestamp() for port, end in ends.items()},
    )  # fmt: skip
