"""Counts of lines over time, for LogQL's metric queries."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate

from mc_sched.obs.loki.labels import FIXED, OURS, query_of, stored_name
from mc_sched.obs.loki.logql import MetricQuery
from mc_sched.obs.store.line import Labels
from mc_sched.obs.store.stores import Stores

Key = tuple[tuple[str, str], ...]


def counted(
    stores: Stores, metric: MetricQuery, moments: range
) -> dict[Key, list[tuple[float, float]]]:
    """Count, at each moment (seconds since 1970), the lines of the range before it, by labels."""
    start_s, end_s, step_s = moments[0], moments[-1], moments.step
    range_s = max(1, metric.range_ns // 10**9)
    since_ns = max(0, start_s - range_s) * 10**9
    query = query_of(metric.lines, since_ns, end_s * 10**9, stores.label_values)
    by = tuple(dict.fromkeys((*FIXED, *OURS) if metric.by is None else metric.by))
    names = list(dict.fromkeys(name for name in map(stored_name, by) if name in Labels._fields))
    if query is None:
        return {}
    width_s = math.gcd(range_s, step_s)
    bars: defaultdict[Key, dict[int, int]] = defaultdict(dict)
    for bar, values, count in stores.counts(query, width_s, names):
        key = _key(by, dict(zip(names, values, strict=True)))
        bars[key][bar // width_s] = bars[key].get(bar // width_s, 0) + count
    per = range_s if metric.is_rate else 1
    return {key: _summed(found, moments, range_s, width_s, per) for key, found in bars.items()}


def _summed(
    bars: dict[int, int], moments: range, range_s: int, width_s: int, per: int
) -> list[tuple[float, float]]:
    """Sum the bars of the range that ends at each moment; leave out moments without lines."""
    known = sorted(bars)
    sums = [0, *accumulate(bars[bar] for bar in known)]

    def before(bar: int) -> int:
        return sums[bisect_left(known, bar)]

    found = []
    for at_s in moments:
        end = at_s // width_s
        total = before(end) - before(end - range_s // width_s)
        if total:
            found.append((float(at_s), total / per))
    return found


def _key(by: tuple[str, ...], values: dict[str, str]) -> Key:
    known = {
        **FIXED,
        **{name: values.get(stored_name(name), "") for name in by if name not in FIXED},
    }
    return tuple((name, known[name]) for name in by if known.get(name))
