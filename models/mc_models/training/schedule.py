"""The schedule of a training run: image size, learning rate and round of every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["joint", "multi-round"]
View = Literal["crop", "zoom", "full"]
_WARM_UP = 0.15  # share of a cycle


@dataclass(frozen=True)
class Phase:
    """A part of the run at one image size.

    `view` is the visible part of an image: "crop", a window of `px` near the centre at the image's
    own scale; "zoom", a random square of it scaled to `px`; "full", all of it, as when deployed.
    """

    px: int
    epochs: float
    view: View = "full"


@dataclass(frozen=True)
class TrainConfig:
    """The training of one network."""

    phases: tuple[Phase, ...] = (Phase(112, 12, "crop"), Phase(224, 0.5))
    batch: int = 32
    peak_lr: float = 3e-3
    last_lr: float = 1e-3
    """First learning rate of the last phase, if there are several phases."""
    weight_decay: float = 0.02
    smoothing: float = 0.03
    clip_norm: float = 5.0
    strategy: Strategy = "joint"
    final_weight: float = 3.0
    """Weight of the last exit in the joint loss during the last phase; all others are 1."""
    mirror: bool = True
    """Mirror images at random."""
    seed: int = 0


@dataclass(frozen=True)
class Moment:
    """One step: its phase, its learning rate, and the number of exits that train."""

    phase: Phase
    last_phase: bool
    learning_rate: float
    exits: int


class Plan:
    """The steps of `config` for a training set of `count` images and a net of `exits` exits.

    The learning rate warms up and falls once over all phases but the last, which decays from a
    rate of its own. Under "multi-round" it warms up and falls once per round: the first exit
    trains, then the first two, and so on; the last phase belongs to the last round.
    """

    def __init__(self, config: TrainConfig, count: int, exits: int = 1) -> None:
        self.config = config
        self.per_epoch = max(1, count // config.batch)
        self.exits = exits
        ends = [0]
        for phase in config.phases:
            ends.append(ends[-1] + max(1, round(phase.epochs * self.per_epoch)))
        self._ends = ends[1:]
        self._cycle = ends[-2] if len(config.phases) > 1 else ends[-1]

    @property
    def steps(self) -> int:
        """The number of steps of the run."""
        return self._ends[-1]

    def work(self, step: int) -> int:
        """Pixels seen by the first `step` steps, in images of the largest size."""
        largest = max(phase.px for phase in self.config.phases) ** 2
        pixels, start = 0, 0
        for phase, end in zip(self.config.phases, self._ends, strict=True):
            pixels += max(0, min(step, end) - start) * phase.px**2
            start = end
        return pixels * self.config.batch // largest

    def at(self, step: int) -> Moment:
        """The phase, learning rate and exits of step `step` (from 0)."""
        index = next(i for i, end in enumerate(self._ends) if step < end)
        phase = self.config.phases[index]
        if step >= self._cycle:
            part = (step - self._cycle) / (self.steps - self._cycle)
            rate = self.config.last_lr * (0.02 + 0.98 * _cosine(part))
            return Moment(phase, True, rate, self.exits)
        rounds = self.exits if self.config.strategy == "multi-round" else 1
        round_, part = divmod(step * rounds / self._cycle, 1)
        exits = int(round_) + 1 if rounds > 1 else self.exits
        return Moment(phase, False, self.config.peak_lr * _one_cycle(part), exits)


def _one_cycle(part: float) -> float:
    """Share of the peak rate: a linear warm-up from 5 %, then a cosine down to 5 %."""
    if part < _WARM_UP:
        return 0.05 + 0.95 * part / _WARM_UP
    return 0.05 + 0.95 * _cosine((part - _WARM_UP) / (1 - _WARM_UP))


def _cosine(part: float) -> float:
    """Half a cosine, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * part))
