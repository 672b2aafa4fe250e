"""An agent's HTTP port, from its configuration to its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mc_sched.obs.metrics.families import certificate_expiry
from mc_sched.obs.web.config import HttpConfig
from mc_sched.obs.web.http import Request, Response, Route, route
from mc_sched.obs.web.server import WebServer

ANSWER_S = 5.0
"""How long the agent's loop may take to answer a scrape."""
T = TypeVar("T")


class AgentConfig(Protocol):
    """What this file needs of either agent's configuration."""

    @property
    def listen(self) -> str:
        """The agent's address."""

    @property
    def http(self) -> HttpConfig:
        """The HTTP port."""


@contextmanager
def serving(
    config: AgentConfig, node: str, collector: Collector, routes: Iterable[Route] = ()
) -> Iterator[None]:
    """Serve metrics and `routes` for a while; where the usual port is taken, say so and do not."""
    server = _server(config, node, [metrics_route(collector, config.http.pair), *routes])
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


def metrics_route(collector: Collector, pair: tuple[Path, Path] | None) -> Route:
    """/metrics, in the format that the scraper asks for."""
    registry = CollectorRegistry()
    registry.register(collector)
    for own in (ProcessCollector, PlatformCollector, GCCollector):
        own(registry=registry)
    if pair is not None:
        registry.register(_Certificate(pair[0]))

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), content_type)

    return route("/metrics", metrics)


class _Certificate(Collector):
    def __init__(self, file: Path) -> None:
        self._file = file

    def collect(self) -> Iterator[Metric]:
        yield certificate_expiry(self._file)


def on_loop(loop: asyncio.AbstractEventLoop, look: Callable[[], T]) -> Callable[[], T]:
    """`look`, to be called from another thread and carried out on the loop's."""

    async def looked() -> T:
        return look()

    return lambda: asyncio.run_coroutine_threadsafe(looked(), loop).result(ANSWER_S)
