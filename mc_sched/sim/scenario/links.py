"""The links of a scenario: what they carry, how that varies, and when they are dark."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mc_sched.config import Config, Duration, Rate


class OutageConfig(Config):
    """The link is dark for a while."""

    start: Duration
    duration: Duration = Field(gt=0)


class FadingConfig(Config):
    """The rate goes up and down between levels, each a share of it."""

    levels: list[float] = Field(default=[0.1, 0.3, 0.6, 1.0], min_length=2)
    hold: Duration = Field(default=1_000_000_000, gt=0)

    @field_validator("levels")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if min(value) < 0 or max(value) == 0 or max(value) > 100:
            raise ValueError("levels are shares of the rate, 0 to 100, and one is above 0")
        return value


class OnOffConfig(Config):
    """The link comes and goes by chance, each for so long on the mean."""

    lit: Duration = Field(gt=0)
    dark: Duration = Field(gt=0)


class LinkConfig(Config):
    """A link: a kind, with what is given in its place."""

    kind: Literal["wifi", "4g", "3g", "ideal"] = "wifi"
    up: Rate | None = Field(default=None, gt=0)
    down: Rate | None = Field(default=None, gt=0)
    up_trace: str | None = None
    down_trace: str | None = None
    """Mahimahi files, relative to the scenario's."""
    rtt: Duration | None = None
    jitter: Duration | None = None
    fading: FadingConfig | None = None
    on_off: OnOffConfig | None = None
    outages: list[OutageConfig] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_rate(self) -> LinkConfig:
        for way in ("up", "down"):
            given = [getattr(self, way), getattr(self, f"{way}_trace")]
            if None not in given:
                raise ValueError(f"give either {way} or {way}_trace")
        varies = self.fading is not None, self.on_off is not None, bool(self.up_trace)
        if sum(varies) > 1:
            raise ValueError("give one of fading, on_off and up_trace")
        if self.kind == "ideal" and self.up is None and any(varies[:2]):
            raise ValueError("a link without a limit cannot fade; give up and down, or a kind")
        return self

    @property
    def name(self) -> str:
        """What the summary calls it."""
        return Path(self.up_trace).stem if self.up_trace else self.kind
