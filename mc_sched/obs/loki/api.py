"""The endpoints below /loki/api/v1."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from mc_sched.errors import UserError
from mc_sched.obs.loki import answers, websocket
from mc_sched.obs.loki.counting import counted
from mc_sched.obs.loki.labels import FIXED, NAMES, OURS, query_of, stored_name
from mc_sched.obs.loki.logql import (
    Constant,
    LogQLError,
    LogQuery,
    MetricQuery,
    Parsed,
    duration_ns,
    parse,
)
from mc_sched.obs.store.bounds import AGENT_BOUNDS, Line
from mc_sched.obs.store.follow import Follower
from mc_sched.obs.store.live import pages
from mc_sched.obs.store.query import LATEST_NS, Query
from mc_sched.obs.store.stores import Stores, open_stores
from mc_sched.obs.web.http import BadRequest, Request, Response, Route, as_json, route

HOUR_NS = 3600 * 10**9
MOST_LINES = 5000
POINTS = 250
"""Number of points in the answer to a range query without a step."""
MOST_POINTS = 11_000
"""Loki's own limit."""


class LokiApi:
    """Loki's endpoints over the stores at `paths`, which are opened for each request."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def routes(self) -> list[Route]:
        """Return every endpoint."""
        base = "/loki/api/v1"
        return [
            route("/ready", lambda request: Response(b"ready\n", "text/plain")),
            route(f"{base}/status/buildinfo", lambda request: as_json({"version": "3.0.0"})),
            route(f"{base}/query", self._with_stores(self._query)),
            route(f"{base}/query_range", self._with_stores(self._query_range)),
            route(
                f"{base}/labels?", self._with_stores(lambda s, r: answers.success(sorted(NAMES)))
            ),
            route(f"{base}/label/([^/]+)/values", self._with_stores(self._values)),
            route(f"{base}/series", self._with_stores(self._series)),
            route(f"{base}/index/stats", self._with_stores(self._stats)),
            route(f"{base}/index/volume", self._with_stores(self._volume)),
            route(f"{base}/tail", self._tail),
        ]

    def _with_stores(
        self, answer: Callable[[Stores, Request], Response]
    ) -> Callable[[Request], Response]:
        def handler(request: Request) -> Response:
            try:
                with open_stores(self._paths, AGENT_BOUNDS) as stores:
                    return answer(stores, request)
            except (BadRequest, LogQLError, UserError) as error:
                return _bad_request(error)

        return handler

    # --- queries ----------------------------------------------------------------------------

    def _query(self, stores: Stores, request: Request) -> Response:
        """Answer an instant query."""
        at_ns = _time_ns(request.one("time"), time.time_ns())
        parsed = parse(request.one("query"))
        if isinstance(parsed, Constant):
            return answers.vector({(): [(at_ns / 1e9, parsed.value)]})
        if isinstance(parsed, MetricQuery):
            at_s = at_ns // 10**9
            return answers.vector(counted(stores, parsed, range(at_s, at_s + 1)))
        return self._lines(stores, parsed, at_ns - HOUR_NS, at_ns, request)

    def _query_range(self, stores: Stores, request: Request) -> Response:
        since_ns, until_ns = _range(request)
        parsed = parse(request.one("query"))
        if isinstance(parsed, LogQuery):
            return self._lines(stores, parsed, since_ns, until_ns, request)
        moments = _moments(request, since_ns, until_ns)
        if isinstance(parsed, Constant):
            return answers.matrix({(): [(float(at), parsed.value) for at in moments]})
        return answers.matrix(counted(stores, parsed, moments))

    def _lines(
        self, stores: Stores, parsed: LogQuery, since_ns: int, until_ns: int, request: Request
    ) -> Response:
        query = query_of(parsed, since_ns, until_ns, stores.label_values)
        limit = request.number("limit", 100, 1, MOST_LINES)
        newest_first = request.one("direction", "backward").lower() != "forward"
        lines = [] if query is None else stores.lines(query, limit, newest_first)
        flags = request.headers.get("x-loki-response-encoding-flags", "")
        return answers.of_streams(lines, "categorize-labels" in flags)

    # --- labels and series ------------------------------------------------------------------

    def _values(self, stores: Stores, request: Request) -> Response:
        name = request.parts[0]
        if name in FIXED:
            return answers.success([FIXED[name]])
        return answers.success(stores.label_values(stored_name(name)))

    def _series(self, stores: Stores, request: Request) -> Response:
        since_ns, until_ns = _range(request)
        found: dict[tuple[str, str], None] = {}
        for text in request.query.get("match[]", request.query.get("match", ["{}"])):
            query = self._selected(stores, parse(text), since_ns, until_ns)
            for labels in [] if query is None else stores.streams(query):
                found[labels.node, labels.level] = None
        rows = [{**FIXED, "component": node, "level": level} for node, level in found]
        return answers.success(rows)

    def _stats(self, stores: Stores, request: Request) -> Response:
        """Estimate how much a query would read."""
        query = self._selected(stores, parse(request.one("query", "{}")), *_range(request))
        lines = 0 if query is None else sum(n for _, _, n in stores.counts(query, 86_400, ["node"]))
        whole, size_bytes = stores.size()
        streams = 0 if query is None else len({(s.node, s.level) for s in stores.streams(query)})
        share = lines / whole if whole else 0
        return as_json({"streams": streams, "chunks": streams, "entries": lines,
                        "bytes": int(size_bytes * share)})  # fmt: skip

    def _volume(self, stores: Stores, request: Request) -> Response:
        """Count lines by label. Loki returns bytes; Explore shows either as shares of a whole."""
        query = self._selected(stores, parse(request.one("query", "{}")), *_range(request))
        wanted = [n for n in request.one("targetLabels").split(",") if n in OURS] or ["component"]
        names = [stored_name(name) for name in wanted]
        totals: dict[tuple[str, ...], int] = {}
        for _, values, count in [] if query is None else stores.counts(query, 86_400, names):
            totals[values] = totals.get(values, 0) + count
        at_s = time.time()
        return answers.vector(
            {
                tuple(zip(wanted, values, strict=True)): [(at_s, float(count))]
                for values, count in sorted(totals.items(), key=lambda item: -item[1])
            }
        )

    def _selected(
        self, stores: Stores, parsed: Parsed, since_ns: int, until_ns: int
    ) -> Query | None:
        if not isinstance(parsed, LogQuery):
            raise BadRequest('expected a log query, for example {level="error"}')
        return query_of(parsed, since_ns, until_ns, stores.label_values)

    # --- live -------------------------------------------------------------------------------

    def _tail(self, request: Request) -> Response:
        headers = websocket.upgrade_headers(request.headers)
        try:
            if headers is None:
                raise BadRequest("this endpoint needs a WebSocket connection")
            with open_stores(self._paths, AGENT_BOUNDS) as stores:
                parsed, since_ns = parse(request.one("query")), _time_ns(request.one("start"), 0)
                query = self._selected(stores, parsed, 0, LATEST_NS)
                ends = stores.ends()
                if since_ns:
                    ends = tuple(replace(end, line_id=since_ns - 1) for end in ends)
        except (BadRequest, LogQLError, UserError) as error:
            return _bad_request(error)
        frames = iter(()) if query is None else self._frames(Follower(query, ends))
        return Response(b"", status=101, headers=headers, stream=frames)

    def _frames(self, follower: Follower) -> Iterator[bytes]:
        for lines in pages(self._paths, follower):
            if lines:
                yield websocket.text_frame(orjson.dumps(_tail_message(lines)))
            yield websocket.ping_frame()  # sending it fails when the client has left


def _bad_request(error: Exception) -> Response:
    """Return the error as plain text, as Loki does."""
    return Response(f"{error}\n".encode(), "text/plain; charset=utf-8", 400)


def _tail_message(lines: list[Line]) -> dict[str, Any]:
    return {"streams": answers.streams(lines, False), "dropped_entries": None}


def _range(request: Request) -> tuple[int, int]:
    until_ns = _time_ns(request.one("end"), time.time_ns())
    return _time_ns(request.one("start"), until_ns - HOUR_NS), until_ns


def _moments(request: Request, since_ns: int, until_ns: int) -> range:
    """Return the requested moments in whole seconds since 1970."""
    start_s, end_s = since_ns // 10**9, max(since_ns, until_ns) // 10**9
    step = request.one("step")
    step_ns = duration_ns(step) if step else (until_ns - since_ns) // POINTS
    moments = range(start_s, end_s + 1, max(1, step_ns // 10**9))
    if len(moments) > MOST_POINTS:
        raise BadRequest(f"more than {MOST_POINTS} points; use a longer step")
    return moments


def _time_ns(text: str, default: int) -> int:
    """Parse nanoseconds, seconds with a fraction, or RFC 3339, the formats that Loki takes."""
    if not text:
        return default
    if re.fullmatch(r"\d{11,19}", text):
        return min(int(text), LATEST_NS)
    if re.fullmatch(r"\d{1,10}(\.\d+)?", text):
        return int(float(text) * 1e9)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise BadRequest(
            f"{text[:40]!r} is not a valid time; write nanoseconds, seconds or RFC 3339"
        ) from None
    return round(moment.timestamp() * 1e6) * 1000
