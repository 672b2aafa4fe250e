"""What is known about the networks before any task runs: operations, accuracy, profiled times.

The numbers come from a bundle (accuracy, operations) and a host's profile (times). `accuracy` is
expected top-5 accuracy on held-out images, per codec, as the paper measures QoR.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalTable:
    """The local net: one entry per layer, in order."""

    name: str
    accuracy: float
    layer_ops: tuple[int, ...]
    layer_ns: tuple[int, ...]

    @property
    def total_ns(self) -> int:
        """Profiled time of a whole inference."""
        return sum(self.layer_ns)


@dataclass(frozen=True)
class Exit:
    """A branch output layer behind stage `stage` (counted from 0)."""

    name: str
    stage: int
    head_ns: int
    accuracy: dict[str, float]
    """Expected accuracy by codec, e.g. {"jpeg": 0.91}."""


@dataclass(frozen=True)
class CloudTable:
    """The cloud net: stages in order, exits in forward order, the net's own head last."""

    name: str
    stage_ns: tuple[int, ...]
    exits: tuple[Exit, ...]
    bundle_hash: str = ""

    @property
    def exit_names(self) -> tuple[str, ...]:
        """Names of the exits, in forward order."""
        return tuple(e.name for e in self.exits)

    def exit_named(self, name: str) -> Exit:
        """The exit of that name; KeyError if there is none."""
        for candidate in self.exits:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    def path_ns(self, exit_: Exit, from_stage: int = 0) -> int:
        """Profiled time of stages `from_stage`.. up to the exit, its head included."""
        return sum(self.stage_ns[from_stage : exit_.stage + 1]) + exit_.head_ns

    def acceptable(self, codec: str, accuracy: float) -> tuple[Exit, ...]:
        """Exits that reach `accuracy` under `codec`, closest to the input first."""
        return tuple(e for e in self.exits if e.accuracy.get(codec, 0.0) >= accuracy)
