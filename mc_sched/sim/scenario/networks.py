"""The networks of a scenario: written out, or a bundle's."""

from __future__ import annotations

from pydantic import Field, model_validator

from mc_sched.config import Config, Duration, Size
from mc_sched.core.tables import CloudTable, Codec, Exit, LocalTable

Tables = tuple[LocalTable, CloudTable]


class LayerConfig(Config):
    """One layer of the local net."""

    ops: int = Field(ge=0)
    time: Duration


class LocalConfig(Config):
    """The local net, written out."""

    name: str = "local"
    accuracy: float = Field(ge=0, le=1)
    layers: list[LayerConfig] = Field(min_length=1)
    encode: dict[str, Duration] = Field(default_factory=dict)

    def table(self) -> LocalTable:
        """The core's form of it."""
        ops, times = tuple(row.ops for row in self.layers), tuple(row.time for row in self.layers)
        return LocalTable(self.name, self.accuracy, ops, times, dict(self.encode))


class ExitConfig(Config):
    """One exit of the cloud net."""

    name: str
    stage: int = Field(ge=0)
    head: Duration
    accuracy: dict[str, float] = Field(min_length=1)


class CodecConfig(Config):
    """How an image reaches the cloud net."""

    name: str
    stage: int = Field(default=0, ge=0)
    decode: Duration = 0
    payload: Size = 0


class CloudNetConfig(Config):
    """The cloud net, written out."""

    name: str = "cloud"
    stages: list[Duration] = Field(min_length=1)
    exits: list[ExitConfig] = Field(min_length=1)
    codecs: list[CodecConfig] = Field(default_factory=lambda: [CodecConfig(name="jpeg")])

    @model_validator(mode="after")
    def _whole(self) -> CloudNetConfig:
        if any(exit_.stage >= len(self.stages) for exit_ in self.exits):
            raise ValueError(f"an exit stands behind a stage; there are {len(self.stages)}, from 0")
        known = {codec.name for codec in self.codecs}
        for exit_ in self.exits:
            if not exit_.accuracy.keys() <= known:
                raise ValueError(f"exit {exit_.name} has a codec that is not under codecs")
        return self

    def table(self) -> CloudTable:
        """The core's form of it."""
        return CloudTable(
            self.name,
            tuple(self.stages),
            tuple(Exit(e.name, e.stage, e.head, dict(e.accuracy)) for e in self.exits),
            codecs=tuple(Codec(c.name, c.stage, c.decode, c.payload) for c in self.codecs),
        )


class NetworksConfig(Config):
    """Both networks, written out."""

    local: LocalConfig
    cloud: CloudNetConfig

    def tables(self) -> Tables:
        """The core's form of them."""
        return self.local.table(), self.cloud.table()


class BundleConfig(Config):
    """A bundle, and where the times of its networks were measured; files as seen from where the
    command runs."""

    name: str = "set-a"
    edge_profile: str | None = None
    """A file of `mc-sched profile`; None: this host's own."""
    cloud_profile: str | None = None
    edge_device: str | None = None
    """Of the file's profiles, those whose device begins so; None: the only or the fastest one."""
    cloud_device: str | None = None
