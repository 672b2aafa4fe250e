"""Write a bundle's tables: bundle.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mc_models.bundle.files import TABLE_FILE, file_hash, weight_files
from mc_models.bundle.load import FORMAT, Bundle, load_bundle
from mc_models.bundle.rows import (
    CodecRow,
    ExitRow,
    LocalTable,
    SplitRow,
    StageRow,
    ThresholdRow,
)
from mc_models.networks.net_spec import NetSpec


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
    """Write bundle.json for the weight files that are already in `path`."""
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
    """Write a bundle's tables again, for its present weights, and return it as loaded back."""
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
