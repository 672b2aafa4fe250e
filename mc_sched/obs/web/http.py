"""Requests, responses and routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson


class BadRequest(ValueError):
    """The sentence goes to whoever asked, with status 400."""


@dataclass(frozen=True)
class Request:
    """A GET, or a POST with a form, which is the same question."""

    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    parts: tuple[str, ...] = ()
    """What the route's pattern has caught."""

    def one(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds; BadRequest names the parameter."""
        text = self.one(name) or str(default)
        if not re.fullmatch(r"-?\d{1,20}", text) or not least <= int(text) <= most:
            raise BadRequest(f"{name}: {text[:40]!r} is no whole number from {least} to {most}")
        return int(text)


@dataclass(frozen=True)
class Response:
    """An answer; `stream` goes on behind the body until the other side leaves."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None


Handler = Callable[[Request], Response]
Route = tuple[re.Pattern[str], Handler]


def route(pattern: str, handler: Handler) -> Route:
    """Paths that match the whole pattern go to the handler."""
    return re.compile(pattern), handler


def as_json(value: object, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS), status=status)
