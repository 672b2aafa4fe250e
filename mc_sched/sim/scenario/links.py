"""The links of a scenario: rates, their variation, and outages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mc_sched.config import Config, Duration, Rate


class OutageConfig(Config):
    """A span during which the link carries nothing."""

    start: Duration
    duration: Duration = Field(gt=0)


class FadingConfig(Config):
    """The rate moves between levels, each a share of the mean rate; a Markov chain."""

    levels: list[float] = Field(default=[0.1, 0.3, 0.6, 1.0], min_length=2)
    hold: Duration = Field(default=1_000_000_000, gt=0)

    @field_validator("levels")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if min(value) < 0 or max(value) == 0 or max(value) > 100:
            raise ValueError(
                "levels are shares of the rate from 0 to 100, and at least one must be above 0"
            )
        return value


class OnOffConfig(Config):
    """The link is lit and dark in random turns; the durations are means."""

    lit: Duration = Field(gt=0)
    dark: Duration = Field(gt=0)


class LinkConfig(Config):
    """A link of some kind; the other keys override that kind's values."""

    kind: Literal["wifi", "4g", "3g", "ideal"] = "wifi"
    up: Rate | None = Field(default=None, gt=0)
    down: Rate | None = Field(default=None, gt=0)
    up_trace: str | None = None
    down_trace: str | None = None
    """Mahimahi files, relative to the scenario file."""
    rtt: Duration | None = None
    jitter: Duration | None = None
    fading: FadingConfig | None = None
    on_off: OnOffConfig | None = None
    outages: list[OutageConfig] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_rate(self) -> LinkConfig:
        for direction in ("up", "down"):
            given = [getattr(self, direction), getattr(self, f"{direction}_trace")]
            if None not in given:
                raise ValueError(f"set either {direction} or {direction}_trace, not both")
        varies = self.fading is not None, self.on_off is not None, bool(self.up_trace)
        if sum(varies) > 1:
            raise ValueError("set only one of fading, on_off and up_trace")
        if self.kind == "ideal" and self.up is None and any(varies[:2]):
            raise ValueError(
                "a link of kind ideal has no rate that could vary; set up and down, or another kind"
            )
        return self

    @property
    def name(self) -> str:
        """Name of the link in the summary."""
        return Path(self.up_trace).stem if self.up_trace else self.kind
