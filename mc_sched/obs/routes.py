"""HTTP routes of an agent, besides its metrics."""

from __future__ import annotations

from pathlib import Path

from mc_sched.obs.console.api import LogApi
from mc_sched.obs.console.pages import page_routes
from mc_sched.obs.loki.api import LokiApi
from mc_sched.obs.web.http import Route


def agent_routes(node: str, store: Path | None) -> list[Route]:
    """Return the routes of the console and of Loki's API; none for an agent without a store."""
    if store is None:
        return []
    return [*page_routes(), *LogApi(node, [store]).routes(), *LokiApi([store]).routes()]
