"""Scenarios: what is simulated, as a YAML file. `configs/scenarios/` holds commented examples.

A scenario names the networks and their times in one of three ways: a set of the paper's class, the
networks written out, or a bundle with the profiles of two hosts. The last needs somebody who can
read bundles: the command line does, and hands the tables over. Every duration, size and rate has
its unit. Errors name the file, the line and the key.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mc_sched.config import Config, Duration, Rate, Size, load_config
from mc_sched.core.energy import EnergyModel
from mc_sched.core.policies import POLICIES
from mc_sched.core.radio import RADIOS
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, Codec, Exit, LocalTable
from mc_sched.core.task import MAX_DEADLINE_NS, ExitRule, Mode, Privacy
from mc_sched.sim import paper_class

Tables = tuple[LocalTable, CloudTable]


def _known_policy(value: str | None) -> str | None:
    if value is not None and value not in POLICIES:
        raise ValueError(f"must be one of {', '.join(POLICIES)}")
    return value


def _percent(quantile: str) -> int:
    return int(quantile[1:])


# --- networks -----------------------------------------------------------------------------------


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


# --- links --------------------------------------------------------------------------------------


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


# --- devices ------------------------------------------------------------------------------------


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


# --- streams, edges, clouds ---------------------------------------------------------------------


class StreamConfig(Config):
    """What an edge is asked to classify."""

    start: Duration = Field(default=0, ge=0)
    """When its first image comes; the agents are there from 0."""
    tasks: int = Field(default=1000, ge=1)
    fps: float = Field(default=12.0, gt=0, le=1e6)
    arrivals: Literal["constant", "poisson"] = "constant"
    deadline: Duration = Field(default=84_000_000, gt=0, le=MAX_DEADLINE_NS)
    accuracy: float | None = Field(default=0.75, ge=0, le=1)
    privacy: Privacy = Privacy.ANY
    jpeg: Size = Field(default=16_000, gt=0)
    size_spread: float = Field(default=0.0, ge=0, le=2)
    encoding: Duration = 0


class EnergyConfig(Config):
    """Declared power of the device, in watts above idle, and its radio."""

    compute_w: float = Field(default=EnergyModel.compute_w, ge=0, le=1000)
    idle_w: float = Field(default=EnergyModel.idle_w, ge=0, le=1000)
    radio: Literal["wifi", "4g", "3g"] | None = None
    """None: that of the link's kind."""


class EdgeGroupConfig(Config):
    """Some edge devices that are alike."""

    name: str = Field(default="edge", min_length=1, max_length=60, pattern=r"^[\w.-]+$")
    count: int = Field(default=1, ge=1, le=100_000)
    stream: StreamConfig = StreamConfig()
    link: LinkConfig = LinkConfig()
    share_link: bool = False
    """All devices of the group on one radio link."""
    device: DeviceConfig = DeviceConfig()
    alone: bool = False
    """Without a cloud agent."""
    cloud: int | None = Field(default=None, ge=0)
    """Number of its cloud agent, from 0; None: the devices take the agents in turns."""
    policy: str = "mc"
    mode: Mode = Mode.ENERGY
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    basic_accuracy: float = Field(default=EdgeSettings.basic_accuracy, ge=0, le=1)
    quantile: float = Field(default=EdgeSettings.quantile, ge=0.5, lt=1.0)
    margin: Duration = EdgeSettings.margin_ns
    whole_net: bool = EdgeSettings.whole_net
    max_tasks: int = Field(default=EdgeSettings.max_tasks, ge=1, le=10_000)
    max_uploads: int | None = Field(default=EdgeSettings.max_uploads, ge=1, le=64)
    probe_interval: Duration = Field(default=200_000_000, ge=10_000_000)
    admission: Duration = 0
    """From an image's arrival to its decision: decoding and cropping."""
    energy: EnergyConfig = EnergyConfig()

    @field_validator("policy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        _known_policy(value)
        return value

    def edge_ids(self) -> list[str]:
        """Names of its devices."""
        if self.count == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(self.count)]

    def settings(self) -> EdgeSettings:
        """The core's part of it."""
        radio = self.energy.radio or (self.link.kind if self.link.kind in RADIOS else "wifi")
        energy = replace(
            EnergyModel(),
            compute_w=self.energy.compute_w,
            idle_w=self.energy.idle_w,
            radio=RADIOS[radio],
        )
        return EdgeSettings(
            basic_accuracy=self.basic_accuracy,
            mode=self.mode,
            policy=self.policy,
            exit_rule=self.exit_rule,
            quantile=self.quantile,
            margin_ns=self.margin,
            whole_net=self.whole_net,
            max_tasks=self.max_tasks,
            max_uploads=self.max_uploads,
            energy=energy,
        )


class CloudGroupConfig(Config):
    """Some cloud agents that are alike."""

    count: int = Field(default=1, ge=1, le=10_000)
    device: DeviceConfig = DeviceConfig()
    quantile: float = Field(default=CloudSettings.quantile, ge=0.5, lt=1.0)
    max_tasks: int = Field(default=CloudSettings.max_tasks, ge=1, le=10_000)

    def settings(self) -> CloudSettings:
        """The core's part of it."""
        return CloudSettings(quantile=self.quantile, max_tasks=self.max_tasks)


class Scenario(Config):
    """Edges against cloud agents."""

    seed: int = 0
    networks: Literal["paper-a", "paper-b"] | None = None
    written: NetworksConfig | None = None
    bundle: BundleConfig | None = None
    edges: list[EdgeGroupConfig] = Field(default_factory=lambda: [EdgeGroupConfig()], min_length=1)
    clouds: list[CloudGroupConfig] = Field(default_factory=lambda: [CloudGroupConfig()])

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        given = [self.networks, self.written, self.bundle]
        if sum(part is not None for part in given) > 1:
            raise ValueError("give one of networks, written and bundle")
        clouds = sum(group.count for group in self.clouds)
        for group in self.edges:
            if not group.alone and (group.cloud or 0) >= clouds:
                raise ValueError(
                    f"edge group {group.name} wants cloud agent {group.cloud or 0}, of {clouds} "
                    "counted from 0; or let it be alone"
                )
        names = [group.name for group in self.edges]
        if len(set(names)) < len(names):
            raise ValueError("two edge groups have the same name")
        return self

    def own_tables(self) -> Tables | None:
        """Its networks and times, unless a bundle has them."""
        if self.bundle is not None:
            return None
        if self.written is not None:
            return self.written.tables()
        return paper_class.SETS[self.networks or "paper-a"]


def load_scenario(path: str | Path) -> Scenario:
    """Read and check a scenario; ConfigError names the file, the line, the key and what is allowed.

    The traces that it names are read by `build.world_of`.
    """
    return load_config(path, Scenario)
