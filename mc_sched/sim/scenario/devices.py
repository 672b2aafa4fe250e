"""The devices of a scenario: deviation from their tables, and contention by other users."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mc_sched.config import Config, Duration


def _percent(quantile: str) -> int:
    return int(quantile[1:])


class PhaseConfig(Config):
    """A span during which others use the device."""

    start: Duration
    duration: Duration = Field(gt=0)
    slowdown: float = Field(gt=0, le=1000)


class RandomPhasesConfig(Config):
    """Random spans during which others use the device."""

    every: Duration = Field(gt=0)
    lasting: Duration = Field(gt=0)
    slowdown: float = Field(gt=0, le=1000)


class DeviceConfig(Config):
    """Deviation of times from the tables."""

    noise: float | None = Field(default=None, ge=0, le=3)
    """Standard deviation of the logarithm of the time of a piece of work."""
    quantiles: dict[Literal["p5", "p25", "p50", "p75", "p95", "p99"], float] | None = None
    """Measured quantiles as multiples of the table's time, instead of `noise`."""
    noise_per: Literal["piece", "task"] = "piece"
    """Draw one factor for each piece of work, or one for all pieces of a task."""
    contention: list[PhaseConfig] = Field(default_factory=list)
    random_contention: RandomPhasesConfig | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> DeviceConfig:
        if self.noise is not None and self.quantiles is not None:
            raise ValueError("set either noise or quantiles, not both")
        if self.contention and self.random_contention is not None:
            raise ValueError("set either contention or random_contention, not both")
        if self.quantiles is not None:
            rising = [self.quantiles[name] for name in sorted(self.quantiles, key=_percent)]
            if not rising or rising != sorted(rising) or rising[0] <= 0:
                raise ValueError("quantiles must be above 0 and rise from p5 to p99")
        return self
