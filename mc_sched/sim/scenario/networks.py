"""The networks of a scenario: as tables, or from a bundle."""

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
    """The local net as a table."""

    name: str = "local"
    accuracy: float = Field(ge=0, le=1)
    layers: list[LayerConfig] = Field(min_length=1)
    encode: dict[str, Duration] = Field(default_factory=dict)

    def table(self) -> LocalTable:
        """Return the table as the core uses it."""
        ops, times = tuple(row.ops for row in self.layers), tuple(row.time for row in self.layers)
        return LocalTable(self.name, self.accuracy, ops, times, dict(self.encode))


class ExitConfig(Config):
    """One exit of the cloud net."""

    name: str
    stage: int = Field(ge=0)
    head: Duration
    head_batches: dict[int, Duration] = Field(default_factory=dict)
    """Time of the head by batch size; without it a batch takes as long as its images one by one."""
    accuracy: dict[str, float] = Field(min_length=1)


class CodecConfig(Config):
    """One codec: how an image is sent to the cloud net."""

    name: str
    stage: int = Field(default=0, ge=0)
    decode: Duration = 0
    payload: Size = 0


class CloudNetConfig(Config):
    """The cloud net as a table."""

    name: str = "cloud"
    stages: list[Duration] = Field(min_length=1)
    batches: dict[int, list[Duration]] = Field(default_factory=dict)
    """Times of the stages by batch size, from 2; without it tasks run one by one."""
    exits: list[ExitConfig] = Field(min_length=1)
    codecs: list[CodecConfig] = Field(default_factory=lambda: [CodecConfig(name="jpeg")])

    @model_validator(mode="after")
    def _is_consistent(self) -> CloudNetConfig:
        known = {codec.name for codec in self.codecs}
        for exit_ in self.exits:
            if exit_.stage >= len(self.stages):
                raise ValueError(
                    f"stage {exit_.stage} of exit {exit_.name} does not exist; "
                    f"the stages are 0 to {len(self.stages) - 1}"
                )
            if not exit_.accuracy.keys() <= known:
                unknown = ", ".join(sorted(exit_.accuracy.keys() - known))
                raise ValueError(
                    f"exit {exit_.name} uses the codec {unknown}, which is not under codecs"
                )
            if exit_.head_batches and exit_.head_batches.keys() != self.batches.keys():
                raise ValueError(
                    f"head_batches of exit {exit_.name} must have the sizes that batches has"
                )
        for size, times in self.batches.items():
            if size < 2 or len(times) != len(self.stages):
                raise ValueError(
                    f"batches: {size} must be a size from 2 with one time for each of the "
                    f"{len(self.stages)} stages"
                )
        return self

    def table(self) -> CloudTable:
        """Return the table as the core uses it."""
        sizes = sorted(self.batches)
        return CloudTable(
            self.name,
            tuple(self.stages),
            tuple(self._exit(e, sizes) for e in self.exits),
            codecs=tuple(Codec(c.name, c.stage, c.decode, c.payload) for c in self.codecs),
            batch_sizes=(1, *sizes),
            stage_batch_ns=tuple(
                (ns, *(self.batches[size][stage] for size in sizes))
                for stage, ns in enumerate(self.stages)
            )
            if sizes
            else (),
        )

    def _exit(self, config: ExitConfig, sizes: list[int]) -> Exit:
        of_batches = tuple(config.head_batches[size] for size in sizes if config.head_batches)
        head_batch_ns = (config.head, *of_batches) if of_batches else ()
        return Exit(config.name, config.stage, config.head, dict(config.accuracy), head_batch_ns)


class NetworksConfig(Config):
    """Both networks as tables."""

    local: LocalConfig
    cloud: CloudNetConfig

    def tables(self) -> Tables:
        """Return both tables as the core uses them."""
        return self.local.table(), self.cloud.table()


class BundleConfig(Config):
    """A bundle and the profiles with the times of its networks.

    Files are relative to the folder in which the command runs.
    """

    name: str = "set-a"
    edge_profile: str | None = None
    """A file made by `mc-sched profile`; None for the profile of this host."""
    cloud_profile: str | None = None
    edge_device: str | None = None
    """Beginning of the device's name, if the file has several profiles; None for the fastest."""
    cloud_device: str | None = None
