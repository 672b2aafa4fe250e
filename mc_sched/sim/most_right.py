"""The most right answers per joule that leave no servable task out.

Dinkelbach 1967, "On Nonlinear Fractional Programming" (Management Science 13:7): the largest ratio
of two sums, right answers a over joules e, is the r at which the best choices by a - r e come to 0.
Begun with any ratio, the choices' own ratio is the next r; it never falls, and the steps end where
the choices stay. One choice per task, so that a task served dearly is no reason to drop it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One way to serve a task: how likely it is right, its joules, and whether it is."""

    accuracy: float
    energy_j: float
    right: bool


@dataclass(frozen=True)
class Answers:
    """What one option per task comes to; `right` is known to the truth alone."""

    expected: float = 0.0
    right: int = 0
    energy_j: float = 0.0

    @property
    def expected_per_j(self) -> float:
        """Answers that are expected to be right, per joule; 0 where no joule is spent."""
        return self.expected / self.energy_j if self.energy_j else 0.0

    @property
    def right_per_j(self) -> float:
        """Answers that are right, per joule."""
        return self.right / self.energy_j if self.energy_j else 0.0


def most_right(tasks: Sequence[Sequence[Option]], fixed_j: float) -> Answers:
    """Of the tasks' options, one each; `fixed_j` is spent whatever is chosen."""
    best = _chosen(tasks, fixed_j, 0.0)
    while True:
        better = _chosen(tasks, fixed_j, best.expected_per_j)
        if better.expected_per_j <= best.expected_per_j:
            return best
        best = better


def _chosen(tasks: Sequence[Sequence[Option]], fixed_j: float, per_j: float) -> Answers:
    """The largest a - r e of each task; of equals the cheapest."""
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
