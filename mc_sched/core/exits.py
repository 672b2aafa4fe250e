"""Where a network may answer, how an image reaches it, when its answer is sure enough."""

from __future__ import annotations

from mc_sched.core.value import value


@value
class Exit:
    """A branch output layer behind stage `stage` (counted from 0)."""

    name: str
    stage: int
    head_ns: int
    accuracy: dict[str, float]
    """Expected accuracy by codec, e.g. {"jpeg": 0.91}. A codec that goes on behind this exit is
    missing."""


@value
class Codec:
    """How an image reaches the cloud net: decoded in `decode_ns`, it enters at stage `stage`.

    Where `payload_bytes` is not 0, every payload has that size.
    """

    name: str
    stage: int = 0
    decode_ns: int = 0
    payload_bytes: int = 0


@value
class EntropyThreshold:
    """One threshold of DDNN's rule, and what the rule reaches with it on held-out images.

    An answer of the local net whose normalised entropy is at most `entropy` stays; the other images
    go to the cloud net's last exit.
    """

    entropy: float
    kept: float
    """Share of the images that stay, in [0, 1]."""
    accuracy: dict[str, float]
    """Of all answers, the cloud's among them, by codec."""
    unsure_accuracy: float
    """Of the local net on the images that do not stay."""
