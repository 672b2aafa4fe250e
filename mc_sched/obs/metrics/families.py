"""Builders of metric families. Values are in base units, and every name begins with `mc_`."""

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


def gauge(name: str, about: str, value: float) -> Metric:
    """Build a gauge."""
    return GaugeMetricFamily(name, about, value)


def gauges(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    """Build a gauge with one label."""
    return labelled(name, about, (label,), [((key,), value) for key, value in values.items()])


def labelled(
    name: str, about: str, labels: Iterable[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """Build a gauge with labels."""
    family = GaugeMetricFamily(name, about, labels=list(labels))
    for key, value in values:
        family.add_metric(list(key), value)
    return family


def power(rails_w: Mapping[str, float]) -> Metric:
    """Build the power gauge, in watts by rail."""
    return gauges("mc_power_watts", "Power by rail, as measured by the sensor.", "rail", rails_w)


def counter(name: str, about: str, value: float) -> Metric:
    """Build a counter."""
    return CounterMetricFamily(name, about, value)


def counters(
    name: str, about: str, labels: Iterable[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """Build a counter with labels."""
    family = CounterMetricFamily(name, about, labels=list(labels))
    for key, value in values:
        family.add_metric(list(key), value)
    return family


def histograms(
    name: str, about: str, labels: Iterable[str], values: Iterable[tuple[Sequence[str], Histogram]]
) -> Metric:
    """Build a histogram of durations in seconds, with labels."""
    family = HistogramMetricFamily(name, about, labels=list(labels))
    for key, found in values:
        family.add_metric(list(key), _buckets(found), found.sum_ns / 1e9)
    return family


def histogram(name: str, about: str, found: Histogram) -> Metric:
    """Build a histogram of durations in seconds."""
    return HistogramMetricFamily(name, about, _buckets(found), found.sum_ns / 1e9)


def _buckets(found: Histogram) -> list[tuple[str, float]]:
    ends = [f"{bound / 1e9:g}" for bound in found.bounds_ns]
    return list(zip([*ends, "+Inf"], accumulate(found.counts), strict=True))


def info(values: Mapping[str, str]) -> Metric:
    """Build `mc_agent_info`."""
    return InfoMetricFamily("mc_agent", "Properties of this agent.", value=dict(values))


def forecasts(
    labels: Sequence[str], found: Sequence[tuple[Sequence[str], Reliability]]
) -> Iterator[Metric]:
    """Yield the quality of each predictor's recent forecasts."""
    yield labelled(
        "mc_prediction_error_ratio", "Mean absolute relative error of the last forecasts.",
        labels, [(key, r.mape) for key, r in found],
    )  # fmt: skip
    yield labelled(
        "mc_prediction_coverage_ratio", "Share of the last forecasts whose upper quantile held.",
        labels, [(key, r.coverage) for key, r in found],
    )  # fmt: skip


def certificates(ends: Mapping[str, datetime]) -> Metric:
    """Build the expiry times of the certificates in use, by port."""
    return gauges(
        "mc_certificate_expiry_timestamp_seconds", "Expiry of the certificate in use on a port.",
        "port", {port: end.timestamp() for port, end in ends.items()},
    )  # fmt: skip
