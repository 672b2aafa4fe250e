"""Running times of named pieces of work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mc_models.inference.profile import Times


class Stopwatch:
    """Collects the running times of named pieces of work, by kind."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[str, list[int]]] = {}

    def time(self, kind: str, name: str, work: Callable[[Any], Any], x: Any) -> Any:
        """Return `work(x)`; its running time is a sample of `name`."""
        started = time.perf_counter_ns()
        y = work(x)
        took_ns = time.perf_counter_ns() - started
        self._samples.setdefault(kind, {}).setdefault(name, []).append(took_ns)
        return y

    def times(self) -> dict[str, dict[str, Times]]:
        """Quantiles by kind and name."""
        return {
            kind: {name: Times.of(samples) for name, samples in named.items()}
            for kind, named in self._samples.items()
        }
