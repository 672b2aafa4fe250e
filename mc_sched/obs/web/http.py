"""Requests, responses and routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson


class BadRequest(ValueError):
    """The request is not valid; the client gets the message with status 400."""


@dataclass(frozen=True)
class Request:
    """A GET, or a POST whose form holds the parameters."""

    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    parts: tuple[str, ...] = ()
    """The groups of the route's pattern."""

    def one(self, name: str, default: str = "") -> str:
        """Return the first value of a parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return an integer parameter. Raise BadRequest if it is not from `least` to `most`."""
        text = self.one(name) or str(default)
        if not re.fullmatch(r"-?\d{1,20}", text) or not least <= int(text) <= most:
            raise BadRequest(f"{name}: {text[:40]!r} is not an integer from {least} to {most}")
        return int(text)


@dataclass(frozen=True)
class Response:
    """An answer; `stream` yields more data after the body until the client disconnects."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None


Handler = Callable[[Request], Response]
Route = tuple[re.Pattern[str], Handler]


def route(pattern: str, handler: Handler) -> Route:
    """Return a route for paths that match the pattern as a whole."""
    return re.compile(pattern), handler


def as_json(value: object, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS), status=status)
