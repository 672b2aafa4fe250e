"""Runs an agent's HTTP port as configured."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mc_sched.errors import UserError
from mc_sched.obs.metrics.families import certificates
from mc_sched.obs.web.config import HttpConfig
from mc_sched.obs.web.http import Request, Response, Route, route
from mc_sched.obs.web.server import WebServer

ANSWER_S = 5.0
"""Longest time that the agent's loop may take to answer a scrape."""
T = TypeVar("T")


class AgentConfig(Protocol):
    """The keys that both agents' configurations share and this module needs."""

    @property
    def listen(self) -> str:
        """Address of the agent's gRPC port."""

    @property
    def http(self) -> HttpConfig:
        """Configuration of the HTTP port."""


@contextmanager
def serving(
    config: AgentConfig,
    node: str,
    collector: Collector,
    routes: Iterable[Route] = (),
    expires: datetime | None = None,
) -> Iterator[None]:
    """Serve metrics and `routes` inside the context.

    If `http.listen` is auto and the usual port is taken, warn and continue without serving.
    `expires`: expiry of the certificate that the agent's gRPC port has loaded; None for none.
    """
    ends = {} if expires is None else {"grpc": expires}
    if config.http.pair is not None:
        ends["http"] = _expiry(config.http.pair[0])
    server = _server(config, node, [metrics_route(collector, ends), *routes])
    if server is not None:
        server.start()
    try:
        yield
    finally:
        if server is not None:
            server.close()


def _server(config: AgentConfig, node: str, routes: list[Route]) -> WebServer | None:
    address = config.http.address(node, config.listen)
    if address is None:
        return None
    try:
        server = WebServer(address, routes, config.http.token(), config.http.pair)
    except OSError as error:
        if config.http.listen != "auto":
            raise
        print(f"mc-{node}-agent: no console: {error}; set http.listen", file=sys.stderr, flush=True)
        return None
    scheme = "http" if config.http.pair is None else "https"
    where = f"{scheme}://{address.rpartition(':')[0]}:{server.port}"
    print(f"mc-{node}-agent: console and metrics at {where}", file=sys.stderr, flush=True)
    return server


def _expiry(certificate: Path) -> datetime:
    """Return the earliest expiry in a chain, as loaded now; the file may change later."""
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"http.certificate {certificate}: cannot be read: {error}") from None
    return min(part.not_valid_after_utc for part in chain)


def metrics_route(collector: Collector, ends: Mapping[str, datetime]) -> Route:
    """Return the route of /metrics, in the format that the scraper accepts.

    `ends`: expiry of the certificates in use, by port.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    for own in (ProcessCollector, PlatformCollector, GCCollector):
        own(registry=registry)
    registry.register(_Certificates(ends))

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), content_type)

    return route("/metrics", metrics)


class _Certificates(Collector):
    def __init__(self, ends: Mapping[str, datetime]) -> None:
        self._ends = ends

    def collect(self) -> Iterator[Metric]:
        yield certificates(self._ends)


def on_loop(loop: asyncio.AbstractEventLoop, read: Callable[[], T]) -> Callable[[], T]:
    """Wrap `read` so that another thread can call it and it runs on the loop's thread."""

    async def call() -> T:
        return read()

    return lambda: asyncio.run_coroutine_threadsafe(call(), loop).result(ANSWER_S)
