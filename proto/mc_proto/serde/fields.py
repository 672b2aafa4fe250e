"""Checks of a request's fields."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection

MAX_ID = 128
"""Longest task or stream id, in characters."""


MAX_SLOWDOWN = 1e6
"""Largest slowdown that is taken from the wire."""


class BadField(ValueError):
    """A field of a request is not valid; the message names it and the permitted values."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field


def check_id(field: str, value: str, required: bool) -> None:
    """Require at most MAX_ID printable characters, and at least one if `required`."""
    if required and not value:
        raise BadField(field, "must not be empty")
    if len(value) > MAX_ID or not value.isprintable():
        raise BadField(field, f"must be at most {MAX_ID} printable characters")


def check_edge_id(field: str, value: str) -> None:
    """Require an id without the slash that separates it from the task's id in logs."""
    check_id(field, value, required=True)
    if "/" in value:
        raise BadField(field, "must not contain a slash")


def check_accuracy(field: str, value: float) -> None:
    """Require a number in [0, 1]."""
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise BadField(field, f"{value} is outside 0 to 1")


def known_slowdown(value: float) -> float:
    """Return a slowdown from the wire; 1 for unset, and for one that no agent measures."""
    return value if 0.0 < value <= MAX_SLOWDOWN else 1.0


def check_choice(field: str, value: str, allowed: Collection[str]) -> None:
    """Require one of the allowed values, or nothing."""
    if value and value not in allowed:
        raise BadField(field, f"{reprlib.repr(value)} is not one of {', '.join(allowed)}")
