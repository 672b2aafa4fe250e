"""Translates the parameters of a page's request to a query of the store."""

from __future__ import annotations

import shlex
import time

from mc_sched.obs.store.line import LEVELS
from mc_sched.obs.store.query import LATEST_NS, Query, at_least, parse_where
from mc_sched.obs.web.http import BadRequest, Request

HOUR_NS = 3600 * 10**9
MOST_LINES = 5000


def query_of(request: Request) -> Query:
    """Build a query from `from`, `to` (milliseconds since 1970), `where`, `words` and `level`."""
    now_ms = time.time_ns() // 10**6
    until_ms = request.number("to", now_ms + 1000, 0, LATEST_NS // 10**6)
    since_ms = request.number("from", until_ms - HOUR_NS // 10**6, 0, LATEST_NS // 10**6)
    level = request.one("level")
    if level and level not in LEVELS:
        raise BadRequest(f"level: {level[:40]!r} is not one of {', '.join(LEVELS)}")
    terms = parse_where(request.one("where")) + (at_least(level) if level else ())
    return Query(since_ms * 10**6, until_ms * 10**6, terms, words_of(request.one("words")))


def words_of(text: str) -> tuple[str, ...]:
    """Split search words; quotes group words. An unclosed quote is part of its word."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def limit_of(request: Request) -> int:
    """Return the requested number of lines."""
    return request.number("limit", 200, 1, MOST_LINES)


def width_s(query: Query, bars: int) -> int:
    """Return a round number of seconds per bar, for a histogram with at most `bars` bars."""
    span_s = max(1, (query.until_ns - query.since_ns) // 10**9)
    widths = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)
    return next((width for width in widths if span_s / width <= bars), 604_800)
