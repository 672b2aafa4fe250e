"""Bundles: one directory with both networks' weights, their labels and their measured tables.

    bundle.json          names, labels, input size, tables, SHA-256 of the weight files
    edge.safetensors     the local net, float16
    cloud.safetensors    stages and heads of the cloud net, float16
    codec.safetensors    the `features` codec, float16; only where the bundle has one

Weights become float32 when loaded; the tables are measured on the loaded-back weights. The
bundle's hash covers bundle.json, and through it the weights: two agents with the same hash run
the same networks under the same tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mc_models.net_spec import NetSpec

if TYPE_CHECKING:
    from torch import nn

    from mc_models.branches import BranchedNet
    from mc_models.networks.local import EdgeNet

_Net = TypeVar("_Net", bound="nn.Module")

FORMAT = 1
TABLE_FILE, EDGE_FILE, CLOUD_FILE = "bundle.json", "edge.safetensors", "cloud.safetensors"
CODEC_FILE = "codec.safetensors"
SHIPPED = Path(__file__).parent / "bundles"


class BundleError(ValueError):
    """The bundle cannot be used; the sentence names the file and what to do."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of the local net and its operations (MACs)."""

    name: str
    ops: int


@dataclass(frozen=True)
class LocalTable:
    """The local net: accuracy on held-out images in [0, 1], by codec, and its layers in order."""

    name: str
    top1: float
    top5: float
    temperature: float
    layers: tuple[LayerRow, ...]
    ece_before: float | None = None
    ece_after: float | None = None
    """Expected calibration error without and with the temperature; older bundles lack it."""


@dataclass(frozen=True)
class StageRow:
    """One stage of the cloud net and its operations (MACs)."""

    name: str
    ops: int


@dataclass(frozen=True)
class ExitRow:
    """The exit behind stage `stage` (from 0): its head's operations, accuracy by codec."""

    name: str
    stage: int
    head_ops: int
    top1: dict[str, float]
    top5: dict[str, float]
    temperature: float
    ece_before: float | None = None
    ece_after: float | None = None


@dataclass(frozen=True)
class CodecRow:
    """A codec that sends features: where it cuts the cloud net, and what it sends.

    The edge runs the stages before `stage` and the projection, `edge_ops` MACs; the cloud goes on
    at `stage`. Patches of `step` x `step` cells of an activation of `channels_in` channels become
    one cell of `channels` bytes. `noise` is a standard deviation; that of the values is about 1.
    """

    name: str
    stage: int
    channels_in: int
    channels: int
    side: int
    step: int
    noise: float
    edge_ops: int

    @property
    def message_bytes(self) -> int:
        """Size of every message."""
        return self.channels * self.side**2


@dataclass(frozen=True)
class SplitRow:
    """The boundary behind the first `stage` stages: an activation [channels, side, side]."""

    name: str
    stage: int
    channels: int
    side: int

    @property
    def message_bytes(self) -> int:
        """Size of every message: a byte per value, and the values' range in two float32."""
        return self.channels * self.side**2 + 8


@dataclass(frozen=True)
class ThresholdRow:
    """DDNN with one threshold on the local net's normalised entropy, on held-out images."""

    entropy: float
    kept: float
    """Share of the images that the local net answers."""
    top5: dict[str, float]
    """Of all answers, the cloud's last exit giving the others, by codec."""
    unsure_top5: float
    """Of the local net on those others."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. Networks are built from its files when asked for."""

    name: str
    hash: str
    labels: tuple[str, ...]
    input_px: int
    cloud_name: str
    local: LocalTable
    stages: tuple[StageRow, ...]
    exits: tuple[ExitRow, ...]
    spec: NetSpec
    path: Path
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What the tables were measured on: data, split, count, seed."""
    codecs: tuple[CodecRow, ...] = ()
    """Codecs beside jpeg, which needs no table."""
    splits: tuple[SplitRow, ...] = ()
    """Empty in a bundle whose figures for other policies were not measured; so are thresholds."""
    thresholds: tuple[ThresholdRow, ...] = ()

    def codec(self, name: str) -> CodecRow:
        """The row of a codec. Raises BundleError where the bundle has no such codec."""
        for row in self.codecs:
            if row.name == name:
                return row
        raise BundleError(
            f"{self.path}: this bundle has no codec {name!r}; add it with "
            f"`mc-sched train --part codec --out {self.path}`"
        )

    def edge_net(self) -> EdgeNet:
        """The local net with its weights, eval mode, float32, channels_last."""
        from mc_models.sets import build_local

        net = built(lambda: build_local(self.spec, len(self.labels)), self.path)
        load_weights(net, self.path / EDGE_FILE)
        return ready(net)

    def cloud_net(self, fold: bool = True) -> BranchedNet:
        """The cloud net with its weights, eval mode, float32, channels_last, norms merged."""
        from mc_models.fold import fold_norms
        from mc_models.sets import build_cloud

        net = built(lambda: build_cloud(self.spec, len(self.labels)), self.path)
        load_weights(net, self.path / CLOUD_FILE)
        return ready(fold_norms(net) if fold else net)


def bundle_path(path_or_name: str | Path) -> Path:
    """The directory of a bundle given by path, or by the name of a shipped one."""
    path = Path(path_or_name)
    if (path / TABLE_FILE).is_file():
        return path
    shipped = SHIPPED / str(path_or_name)
    if len(path.parts) == 1 and (shipped / TABLE_FILE).is_file():
        return shipped
    names = ", ".join(shipped_names()) or "none"
    raise BundleError(
        f"{path}: no bundle there (no {TABLE_FILE}); give a bundle's folder or a shipped name "
        f"({names})"
    )


def shipped_names() -> tuple[str, ...]:
    """Names of the bundles that come with the package."""
    return tuple(sorted(p.parent.name for p in SHIPPED.glob(f"*/{TABLE_FILE}")))


def load_bundle(path_or_name: str | Path, verify: bool = True) -> Bundle:
    """Read a bundle's tables and, with `verify`, compare its weight files with their hashes.

    Raises BundleError: no such bundle, another format version, a damaged or altered file.
    """
    path = bundle_path(path_or_name)
    table = path / TABLE_FILE
    try:
        raw = json.loads(table.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{table}: not readable as JSON ({error}); copy it again") from error
    version = raw.get("format") if isinstance(raw, dict) else None
    if version != FORMAT:
        raise BundleError(
            f"{table}: bundle format {version}, this version reads {FORMAT}; train it again"
        )
    try:
        bundle, hashes = _parse(raw, path), dict(raw["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{table}: incomplete or altered ({error!r}); copy it again") from error
    if verify:
        _verify(path, hashes, weight_files(bundle.codecs))
    return bundle


def _parse(raw: dict[str, Any], path: Path) -> Bundle:
    local = raw["local"]
    return Bundle(
        name=raw["name"],
        hash=identity(raw),
        labels=tuple(raw["labels"]),
        input_px=raw["spec"]["input_px"],
        cloud_name=raw["spec"]["cloud"],
        local=LocalTable(**{**local, "layers": tuple(LayerRow(**r) for r in local["layers"])}),
        stages=tuple(StageRow(**row) for row in raw["stages"]),
        exits=tuple(ExitRow(**row) for row in raw["exits"]),
        spec=NetSpec(**raw["spec"]),
        path=path,
        measured=raw["measured"],
        codecs=tuple(_codec_row(row) for row in raw.get("codecs", ())),
        splits=tuple(SplitRow(**row) for row in raw.get("splits", ())),
        thresholds=tuple(ThresholdRow(**row) for row in raw.get("thresholds", ())),
    )


def _codec_row(raw: dict[str, Any]) -> CodecRow:
    """`message_bytes` stands in the file for people; it follows from the other values."""
    row = CodecRow(**{name: value for name, value in raw.items() if name != "message_bytes"})
    if raw["message_bytes"] != row.message_bytes:
        raise ValueError(f"message_bytes {raw['message_bytes']} of codec {row.name}")
    return row


def identity(raw: Mapping[str, Any]) -> str:
    """SHA-256 over the content of bundle.json in one canonical spelling."""
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def weight_files(codecs: tuple[CodecRow, ...]) -> tuple[str, ...]:
    """The weight files of a bundle with these codecs."""
    return (EDGE_FILE, CLOUD_FILE, CODEC_FILE) if codecs else (EDGE_FILE, CLOUD_FILE)


def _verify(path: Path, expected: Mapping[str, str], files: tuple[str, ...]) -> None:
    for name in files:
        file = path / name
        if not file.is_file():
            raise BundleError(f"{file}: missing; copy the whole bundle again")
        if _file_hash(file) != expected.get(name):
            raise BundleError(
                f"{file}: its SHA-256 differs from the one in {TABLE_FILE}; "
                "the file is damaged or from another bundle, copy the bundle again"
            )


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built(build: Callable[[], _Net], path: Path) -> _Net:
    """What `build` makes of the spec; BundleError where the spec asks for what there is not."""
    try:
        return build()
    except ValueError as error:
        raise BundleError(f"{path / TABLE_FILE}: {error}") from error


def load_weights(net: nn.Module, file: Path) -> None:
    """Fill `net` with a file's float16 weights as float32; BundleError names what does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(file)
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{file}: not readable ({error}); copy the bundle again") from error
    state = net.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        found = tuple(stored[name].shape) if name in stored else None
        if found != tuple(tensor.shape):
            raise BundleError(
                f"{file}: weight {name} has shape {found}, the network needs "
                f"{tuple(tensor.shape)}; {TABLE_FILE} and weights are of different bundles"
            )
        state[name] = stored[name].float()
    net.load_state_dict(state)


def ready(net: _Net) -> _Net:
    """`net` for inference."""
    import torch

    net.eval().requires_grad_(False)
    net.to(memory_format=torch.channels_last)
    return net


def save_weights(net: nn.Module, file: Path) -> None:
    """Write a network's weights as float16 safetensors."""
    import torch
    from safetensors.torch import save_file

    state = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(state, file)
    file.chmod(0o644)  # safetensors makes it the owner's only; agents may run as another user


def save_table(
    path: Path,
    name: str,
    labels: tuple[str, ...],
    spec: NetSpec,
    local: LocalTable,
    stages: tuple[StageRow, ...],
    exits: tuple[ExitRow, ...],
    measured: Mapping[str, Any],
    codecs: tuple[CodecRow, ...] = (),
    splits: tuple[SplitRow, ...] = (),
    thresholds: tuple[ThresholdRow, ...] = (),
) -> None:
    """Write bundle.json for the weight files that already lie in `path`."""
    raw = {
        "format": FORMAT,
        "name": name,
        "spec": spec.as_dict(),
        "labels": list(labels),
        "local": asdict(local),
        "stages": [asdict(row) for row in stages],
        "exits": [asdict(row) for row in exits],
        "measured": dict(measured),
        "sha256": {file: _file_hash(path / file) for file in weight_files(codecs)},
    }
    if codecs:
        raw["codecs"] = [asdict(row) | {"message_bytes": row.message_bytes} for row in codecs]
    if splits:
        raw["splits"] = [asdict(row) for row in splits]
    if thresholds:
        raw["thresholds"] = [asdict(row) for row in thresholds]
    text = json.dumps(raw, indent=1, ensure_ascii=False) + "\n"
    (path / TABLE_FILE).write_text(text, encoding="utf-8")


def rewrite_table(bundle: Bundle) -> Bundle:
    """Write a bundle's tables anew for the weights it has, and return it as loaded back."""
    save_table(
        bundle.path,
        bundle.name,
        bundle.labels,
        bundle.spec,
        bundle.local,
        bundle.stages,
        bundle.exits,
        bundle.measured,
        bundle.codecs,
        bundle.splits,
        bundle.thresholds,
    )
    return load_bundle(bundle.path)
