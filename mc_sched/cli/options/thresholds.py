"""`--threshold 'deadline_met>0.99'`: limits on a run's summary, for scripts and CI."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_FORM = re.compile(r"\s*([a-z0-9_.]+)\s*(>=|<=|>|<)\s*(-?[0-9.]+)\s*")


@dataclass(frozen=True)
class Threshold:
    """A limit on one figure of the summary; `path` is its keys, joined by dots."""

    path: str
    comparison: str
    limit: float

    def failure(self, summary: dict[str, Any]) -> str | None:
        """Return None if the limit is met, else a sentence.

        Raises ValueError if the summary has no such figure.
        """
        value: Any = summary
        for key in self.path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, (int, float)):
            raise ValueError(f"the summary has no figure {self.path!r}")
        if _COMPARE[self.comparison](value, self.limit):
            return None
        return f"{self.path} is {value:g}, not {self.comparison} {self.limit:g}"


def parse_threshold(text: str) -> Threshold:
    """Parse 'PATH>NUMBER'. Raises ValueError with a sentence for anything else."""
    match = _FORM.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return Threshold(match[1], match[2], float(match[3]))
    except ValueError:
        raise ValueError(
            f"threshold {text!r} must look like 'deadline_met>0.99' or 'latency_ms.p95<=84'"
        ) from None
