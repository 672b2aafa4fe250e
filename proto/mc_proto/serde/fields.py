"""What a request's fields may hold. BadField says what is allowed."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection

MAX_ID = 128
"""Longest task or stream id, in characters."""


class BadField(ValueError):
    """A request's field is out of range; the sentence says what is allowed."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field


def check_id(field: str, value: str, required: bool) -> None:
    """At most MAX_ID printable characters, and some if `required`."""
    if required and not value:
        raise BadField(field, "is empty")
    if len(value) > MAX_ID or not value.isprintable():
        raise BadField(field, f"must be at most {MAX_ID} printable characters")


def check_accuracy(field: str, value: float) -> None:
    """A share."""
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise BadField(field, f"{value} is outside 0 to 1")


def check_choice(field: str, value: str, allowed: Collection[str]) -> None:
    """Empty, or one of these."""
    if value and value not in allowed:
        raise BadField(field, f"{reprlib.repr(value)} is not one of {', '.join(allowed)}")
