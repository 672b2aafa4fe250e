"""Serves the page's files."""

from __future__ import annotations

from importlib.resources import files

from mc_sched.obs.web.http import Request, Response, Route, route

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def page_routes() -> list[Route]:
    """Return the routes of the page and its static files."""
    return [route("/", _page), route(r"/static/((?:[a-z]+/)*[A-Za-z]+[A-Za-z.]*)", _static)]


def _page(request: Request) -> Response:
    return _file("index.html")


def _static(request: Request) -> Response:
    return _file(request.parts[0])


def _file(name: str) -> Response:
    file = files("mc_sched.obs.console").joinpath("static", *name.split("/"))
    if not file.is_file():
        return Response(b"", "text/plain", 404)
    kind = _KINDS.get(name.rpartition(".")[2], "text/plain")
    headers = {"Cache-Control": "no-cache"}
    return Response(file.read_bytes(), f"{kind}; charset=utf-8", headers=headers)
