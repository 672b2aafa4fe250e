"""The console's API: queries of the log, below /api."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson

from mc_sched import __version__
from mc_sched.obs.console.dashboard import dashboard
from mc_sched.obs.console.page_query import limit_of, query_of, width_s
from mc_sched.obs.explain.subprocess import explain_in_subprocess
from mc_sched.obs.store.bounds import AGENT_BOUNDS, End, Line
from mc_sched.obs.store.follow import Follower
from mc_sched.obs.store.line import Labels
from mc_sched.obs.store.live import pages
from mc_sched.obs.store.query import LATEST_NS, Query
from mc_sched.obs.store.stores import Ends, Stores, open_stores
from mc_sched.obs.web.http import BadRequest, Request, Response, Route, as_json, route

BARS = 80


class LogApi:
    """The API over the stores at `paths`, which are opened for each request. Thread-safe."""

    def __init__(self, node: str, paths: list[Path]) -> None:
        self._node = node
        self._paths = paths

    def routes(self) -> list[Route]:
        """Return every endpoint."""
        return [
            route("/api/about", self._with_stores(self._about)),
            route("/api/lines", self._with_stores(self._lines)),
            route("/api/volume", self._with_stores(self._volume)),
            route("/api/labels", self._with_stores(self._labels)),
            route("/api/statistics", self._with_stores(self._statistics)),
            route("/api/around", self._with_stores(self._around)),
            route(
                "/api/dashboard", self._with_stores(lambda s, r: as_json(dashboard(s, query_of(r))))
            ),
            route("/api/task/(.+)", self._task),
            route("/api/download", self._download),
            route("/api/tail", self._tail),
        ]

    def _with_stores(
        self, answer: Callable[[Stores, Request], Response]
    ) -> Callable[[Request], Response]:
        def handler(request: Request) -> Response:
            with open_stores(self._paths, AGENT_BOUNDS) as stores:
                return answer(stores, request)

        return handler

    def _about(self, stores: Stores, request: Request) -> Response:
        lines, size_bytes = stores.size()
        span = stores.span() or (0, 0)
        return as_json(
            {"node": self._node, "version": __version__, "lines": lines, "bytes": size_bytes,
             "oldest": str(span[0]), "newest": str(span[1])}
        )  # fmt: skip

    def _lines(self, stores: Stores, request: Request) -> Response:
        query, newest_first = query_of(request), request.one("order") != "oldest"
        if request.one("before"):
            query = replace(query, until_ns=request.number("before", 0, 0, 2**63 - 1))
        lines = stores.lines(query, limit_of(request), newest_first)
        return Response(b"[" + b",".join(map(_line, lines)) + b"]")

    def _volume(self, stores: Stores, request: Request) -> Response:
        """Return lines per bar; an estimate if counting takes long, unless `count=all`."""
        query = query_of(request)
        width = width_s(query, BARS)
        if request.one("count") == "all":
            bars, share = stores.volume(query, width), 1.0
        else:
            bars, share = stores.estimated_volume(query, width)
        return as_json({"width_s": width, "bars": sorted(bars.items()), "share": share})

    def _labels(self, stores: Stores, request: Request) -> Response:
        return as_json({label: stores.label_values(label) for label in Labels._fields})

    def _statistics(self, stores: Stores, request: Request) -> Response:
        counts = stores.statistics(request.one("field"), query_of(request))
        top = [[value[:200], count] for value, count in counts.most_common(10)]
        return as_json({"lines": counts.total(), "values": len(counts), "top": top})

    def _around(self, stores: Stores, request: Request) -> Response:
        lines = stores.around(request.number("id", 0, 0, 2**63 - 1), limit_of(request))
        return Response(b"[" + b",".join(map(_line, lines)) + b"]")

    def _task(self, request: Request) -> Response:
        return Response(explain_in_subprocess(self._paths, request.parts[0]))

    # --- streams ------------------------------------------------------------------------------

    def _download(self, request: Request) -> Response:
        query, as_text = query_of(request), request.one("format") == "text"
        name = f"{self._node}.{'txt' if as_text else 'jsonl'}"
        return Response(
            b"", "text/plain; charset=utf-8" if as_text else "application/jsonl",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
            stream=self._each(lambda line: _text(line) if as_text else line.body, query),
        )  # fmt: skip

    def _each(self, to_text: Callable[[Line], str], query: Query) -> Iterator[bytes]:
        with open_stores(self._paths, AGENT_BOUNDS) as stores:
            for line in stores.each(query):
                yield to_text(line).encode(errors="replace") + b"\n"

    def _tail(self, request: Request) -> Response:
        """Stream new lines; a browser that reconnects continues after its last event."""
        last = request.headers.get("last-event-id")
        with open_stores(self._paths, AGENT_BOUNDS) as stores:
            ends = _parse_ends(last, len(self._paths)) if last else stores.ends()
        return Response(b"", "text/event-stream", headers={"Cache-Control": "no-store"},
                        stream=self._events(Follower(query_of(request), ends)))  # fmt: skip

    def _events(self, follower: Follower) -> Iterator[bytes]:
        yield b": new lines follow\n\n"
        for lines in pages(self._paths, follower):
            for line in lines:
                yield b"data: %s\n\n" % _line(line)
            # an id without data is not an event; sending it fails when the client has left
            yield b"id: %s\n\n" % _format_ends(follower.ends)


def _format_ends(ends: Ends) -> bytes:
    return b" ".join(b"%d-%d" % (end.line_id, end.behind) for end in ends)


def _parse_ends(text: str, count: int) -> Ends:
    found = re.fullmatch(r"\d{1,19}-\d{1,18}( \d{1,19}-\d{1,18})*", text)
    ends = [End(*map(int, end.split("-"))) for end in text.split(" ")] if found else []
    if len(ends) != count or any(end.line_id >= LATEST_NS for end in ends):
        raise BadRequest(f"last-event-id: {text[:40]!r} is not an id of this live tail")
    return tuple(ends)


def _line(line: Line) -> bytes:
    """Encode a line; its id is text, as it exceeds the integers that JavaScript represents."""
    return b'{"id":"%d","record":%s}' % (line.id, line.body.encode(errors="replace"))


def _text(line: Line) -> str:
    record = line.record
    data = orjson.dumps(record.get("data")).decode()
    about = record.get("task_id", "-")
    return f"{record['wall']} {record['level']} {record['node']} {about} {record['name']} {data}"
