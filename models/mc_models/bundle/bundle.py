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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_models.bundle.files import (
    CLOUD_FILE,
    EDGE_FILE,
    TABLE_FILE,
    BundleError,
    bundle_path,
    file_hash,
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
from mc_models.bundle.weights import built, load_weights, ready
from mc_models.networks.net_spec import NetSpec

if TYPE_CHECKING:
    from mc_models.networks.branches import BranchedNet
    from mc_models.networks.local import EdgeNet

FORMAT = 1


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
        from mc_models.networks.sets import build_local

        net = built(lambda: build_local(self.spec, len(self.labels)), self.path)
        load_weights(net, self.path / EDGE_FILE)
        return ready(net)

    def cloud_net(self, fold: bool = True) -> BranchedNet:
        """The cloud net with its weights, eval mode, float32, channels_last, norms merged."""
        from mc_models.networks.fold import fold_norms
        from mc_models.networks.sets import build_cloud

        net = built(lambda: build_cloud(self.spec, len(self.labels)), self.path)
        load_weights(net, self.path / CLOUD_FILE)
        return ready(fold_norms(net) if fold else net)


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
    """`message_bytes` stands in the file for people; it follows from the other values."""
    row = CodecRow(**{name: value for name, value in raw.items() if name != "message_bytes"})
    if raw["message_bytes"] != row.message_bytes:
        raise ValueError(f"message_bytes {raw['message_bytes']} of codec {row.name}")
    return row


def identity(raw: Mapping[str, Any]) -> str:
    """SHA-256 over the content of bundle.json in one canonical spelling."""
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


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
        "sha256": {file: file_hash(path / file) for file in weight_files(codecs)},
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
