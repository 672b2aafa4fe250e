"""How the times of a scenario's devices stray from their tables, and who else uses them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mc_sched.config import Config, Duration


def _percent(quantile: str) -> int:
    return int(quantile[1:])


class PhaseConfig(Config):
    """Others use the device for a while."""

    start: Duration
    duration: Duration = Field(gt=0)
    slowdown: float = Field(gt=0, le=1000)


class RandomPhasesConfig(Config):
    """Others use the device by chance."""

    every: Duration = Field(gt=0)
    lasting: Duration = Field(gt=0)
    slowdown: float = Field(gt=0, le=1000)


class DeviceConfig(Config):
    """How times stray from the tables'."""

    noise: float | None = Field(default=None, ge=0, le=3)
    """Deviation of the logarithm of a piece's time."""
    quantiles: dict[Literal["p5", "p25", "p50", "p75", "p95", "p99"], float] | None = None
    """Instead: measured quantiles, as multiples of the table's time."""
    strays: Literal["piece", "task"] = "piece"
    """Whether each piece of work strays from its measured time by itself, or a task's together."""
    contention: list[PhaseConfig] = Field(default_factory=list)
    random_contention: RandomPhasesConfig | None = None

    @model_validator(mode="after")
    def _one_way(self) -> DeviceConfig:
        if self.noise is not None and self.quantiles is not None:
            raise ValueError("give either noise or quantiles")
        if self.contention and self.random_contention is not None:
            raise ValueError("give either contention or random_contention")
        if self.quantiles is not None:
            rising = [self.quantiles[name] for name in sorted(self.quantiles, key=_percent)]
            if not rising or rising != sorted(rising) or rising[0] <= 0:
                raise ValueError("quantiles are above 0 and rise from p5 to p99")
        return self
