"""What an agent serves beside its metrics."""

from __future__ import annotations

from pathlib import Path

from mc_sched.obs.console.api import LogApi
from mc_sched.obs.console.pages import page_routes
from mc_sched.obs.loki.api import LokiApi
from mc_sched.obs.web.http import Route


def agent_routes(node: str, store: Path | None) -> list[Route]:
    """The console and its questions, and Loki's; nothing for an agent without a log store."""
    if store is None:
        return []
    return [*page_routes(), *LogApi(node, [store]).routes(), *LokiApi([store]).routes()]
