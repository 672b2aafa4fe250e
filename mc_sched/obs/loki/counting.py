"""Counts of lines over time, as a metric query asks for them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

from mc_sched.obs.loki.labels import FIXED, OURS, query_of, stored_name
from mc_sched.obs.loki.logql import MetricQuery
from mc_sched.obs.store.line import Labels
from mc_sched.obs.store.stores import Stores
from mc_sched.obs.web.http import BadRequest

MOST_POINTS = 11_000
"""Loki's own limit."""
Key = tuple[tuple[str, str], ...]


def counted(
    stores: Stores, asked: MetricQuery, start_s: int, end_s: int, step_s: int
) -> dict[Key, list[tuple[float, float]]]:
    """At each moment from start to end: the lines of the range before it, by labels."""
    if (end_s - start_s) / step_s > MOST_POINTS:
        raise BadRequest(f"more than {MOST_POINTS} points; use a longer step")
    range_s = max(1, asked.range_ns // 10**9)
    query = query_of(asked.lines, (start_s - range_s) * 10**9, end_s * 10**9, stores.label_values)
    by = tuple(dict.fromkeys((*FIXED, *OURS) if asked.by is None else asked.by))
    names = list(dict.fromkeys(name for name in map(stored_name, by) if name in Labels._fields))
    if query is None:
        return {}
    width_s = math.gcd(range_s, step_s)
    bars: defaultdict[Key, dict[int, int]] = defaultdict(dict)
    for bar, values, count in stores.counts(replace(query), width_s, names):
        key = _key(by, dict(zip(names, values, strict=True)))
        bars[key][bar // width_s] = bars[key].get(bar // width_s, 0) + count
    per = range_s if asked.is_rate else 1
    moments = range(start_s, end_s + 1, step_s)
    return {key: _summed(found, moments, range_s, width_s, per) for key, found in bars.items()}


def _summed(
    bars: dict[int, int], moments: range, range_s: int, width_s: int, per: int
) -> list[tuple[float, float]]:
    """Moments at which there is anything, with the sum over the range that ends there."""
    found = []
    for at_s in moments:
        last = at_s // width_s
        total = sum(bars.get(bar, 0) for bar in range(last - range_s // width_s, last))
        if total:
            found.append((float(at_s), total / per))
    return found


def _key(by: tuple[str, ...], values: dict[str, str]) -> Key:
    known = {
        **FIXED,
        **{name: values.get(stored_name(name), "") for name in by if name not in FIXED},
    }
    return tuple((name, known[name]) for name in by if known.get(name))
