"""Load and verify bundles.

A bundle is one directory with both networks' weights, their labels and their measured tables:

    bundle.json          names, labels, input size, tables, SHA-256 of the weight files
    edge.safetensors     the local net, float16
    cloud.safetensors    stages and heads of the cloud net, float16
    codec.safetensors    the `features` codec, float16; if the bundle has one

Weights become float32 when loaded; the tables are measured on the loaded-back weights. The
bundle's hash covers bundle.json, and through it the weights: two agents with the same hash use
the same networks and the same tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_models.bundle.files import (
    CLOUD_FILE,
    EDGE_FILE,
    TABLE_FILE,
    BundleError,
    bundle_path,
    verify_files,
    weight_files,
)
from mc_models.bundle.rows import (
    CodecRow,
    ExitRow,
    LayerRow,
    LocalTable,
    SplitRow,
    StageRow,
    ThresholdRow,
)
from mc_models.bundle.weights import build_or_fail, load_weights, ready
from mc_models.networks.net_spec import NetSpec

if TYPE_CHECKING:
    from mc_models.networks.branches import BranchedNet
    from mc_models.networks.local import LocalNet

FORMAT = 1


@dataclass(frozen=True)
class Bundle:
    """A bundle's tables; its networks are built from the files by `local_net` and `cloud_net`."""

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
    """The images that the tables were measured on: data, split, count, seed."""
    codecs: tuple[CodecRow, ...] = ()
    """Codecs other than jpeg, which needs no table."""
    splits: tuple[SplitRow, ...] = ()
    """Empty, like `thresholds`, if the tables for the baseline policies were not measured."""
    thresholds: tuple[ThresholdRow, ...] = ()

    def codec(self, name: str) -> CodecRow:
        """The row of a codec. Raises BundleError if the bundle lacks it."""
        for row in self.codecs:
            if row.name == name:
                return row
        raise BundleError(
            f"{self.path}: this bundle has no codec {name!r}; add it with "
            f"`mc-sched train --part codec --out {self.path}`"
        )

    def local_net(self) -> LocalNet:
        """The local net with its weights, eval mode, float32, channels_last."""
        from mc_models.networks.sets import build_local

        net = build_or_fail(lambda: build_local(self.spec, len(self.labels)), self.path)
        load_weights(net, self.path / EDGE_FILE)
        return ready(net)

    def cloud_net(self, fold: bool = True) -> BranchedNet:
        """The cloud net with its weights, eval mode, float32, channels_last, norms merged."""
        from mc_models.networks.fold import fold_norms
        from mc_models.networks.sets import build_cloud

        net = build_or_fail(lambda: build_cloud(self.spec, len(self.labels)), self.path)
        load_weights(net, self.path / CLOUD_FILE)
        return ready(fold_norms(net) if fold else net)


def load_bundle(path_or_name: str | Path, verify: bool = True) -> Bundle:
    """Read a bundle's tables and, with `verify`, compare its weight files with their hashes.

    Raises BundleError if there is no such bundle, its format version is another, or a file is
    damaged or altered.
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
            f"{table}: bundle format {version}, but this version reads {FORMAT}; train it again"
        )
    try:
        bundle, hashes = _parse(raw, path), dict(raw["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{table}: incomplete or altered ({error!r}); copy it again") from error
    if verify:
        verify_files(path, hashes, weight_files(bundle.codecs))
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
    """Parse one row; `message_bytes` is in the file for readers and follows from the rest."""
    row = CodecRow(**{name: value for name, value in raw.items() if name != "message_bytes"})
    if raw["message_bytes"] != row.message_bytes:
        raise ValueError(f"codec {row.name} has message_bytes {raw['message_bytes']}")
    return row


def identity(raw: Mapping[str, Any]) -> str:
    """SHA-256 of the content of bundle.json in its canonical JSON form."""
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
