"""The largest number of right answers per joule if every task that can be served is served.

Dinkelbach 1967, "On Nonlinear Fractional Programming" (Management Science 13:7): the largest ratio
of two sums, right answers a over joules e, is the r at which the best choices by a - r e sum to 0.
Start with any r; the ratio of its best choices is the next r. It never falls, and the iteration
ends when the choices no longer change. Exactly one option is chosen per task, so expensive tasks
are not dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option for serving a task: P(right), its joules, and whether the answer is right."""

    accuracy: float
    energy_j: float
    right: bool


@dataclass(frozen=True)
class Answers:
    """Sums over one option per task; no scheduler can know `right`."""

    expected: float = 0.0
    right: int = 0
    energy_j: float = 0.0

    @property
    def expected_per_j(self) -> float:
        """Expected right answers per joule; 0 if no energy is used."""
        return self.expected / self.energy_j if self.energy_j else 0.0

    @property
    def right_per_j(self) -> float:
        """Right answers per joule; 0 if no energy is used."""
        return self.right / self.energy_j if self.energy_j else 0.0


def most_right(tasks: Sequence[Sequence[Option]], fixed_j: float) -> Answers:
    """Choose one option per task; `fixed_j` is spent whatever is chosen."""
    best = _chosen(tasks, fixed_j, 0.0)
    while True:
        better = _chosen(tasks, fixed_j, best.expected_per_j)
        if better.expected_per_j <= best.expected_per_j:
            return best
        best = better


def _chosen(tasks: Sequence[Sequence[Option]], fixed_j: float, per_j: float) -> Answers:
    """Choose the option with the largest a - r e of each task, the cheapest one if they tie."""
    chosen = [
        max(
            options,
            key=lambda option: (option.accuracy - per_j * option.energy_j, -option.energy_j),
        )
        for options in tasks
        if options
    ]
    return Answers(
        sum(option.accuracy for option in chosen),
        sum(option.right for option in chosen),
        fixed_j + sum(option.energy_j for option in chosen),
    )
