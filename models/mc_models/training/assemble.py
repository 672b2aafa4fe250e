"""Assemble a bundle from two trained networks: weights, temperatures and tables."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mc_models.bundle.files import CLOUD_FILE, EDGE_FILE
from mc_models.bundle.load import Bundle, load_bundle
from mc_models.bundle.rows import ExitRow, LayerRow, LocalTable, StageRow
from mc_models.bundle.save import save_table
from mc_models.bundle.weights import save_weights
from mc_models.data.image_sets import ImageSet
from mc_models.inference.outputs import (
    LOCAL,
    accuracy,
    all_logits,
    calibration_error,
    fit_temperature,
)
from mc_models.networks.branches import BranchedNet
from mc_models.networks.fold import fold_norms
from mc_models.networks.local import LocalNet
from mc_models.networks.net_spec import NetSpec
from mc_models.networks.ops import count_ops

CODEC = "jpeg"
_OnPartProgress = Callable[[str, int, int], None]


def save_bundle(
    path: Path,
    name: str,
    spec: NetSpec,
    edge: LocalNet,
    cloud: BranchedNet,
    validation: ImageSet,
    test: ImageSet,
    measured: Mapping[str, Any],
    on_progress: _OnPartProgress | None = None,
) -> Bundle:
    """Write a bundle and return it as loaded back.

    Temperatures are fitted on `validation` and tables measured on `test`, both with the float16
    weights as written and images after a JPEG round trip.
    """
    path.mkdir(parents=True, exist_ok=True)
    save_weights(fold_norms(copy.deepcopy(edge)), path / EDGE_FILE)
    save_weights(cloud, path / CLOUD_FILE)
    labels = test.class_names
    local, stages, exits = _unmeasured(spec, edge, cloud)
    save_table(path, name, labels, spec, local, stages, exits, measured)
    local, exits = _measure(load_bundle(path), validation, test, on_progress)
    save_table(path, name, labels, spec, local, stages, exits, measured)
    return load_bundle(path)


class _Measured(NamedTuple):
    """The measured values of one output's table row."""

    top1: float
    top5: float
    temperature: float
    ece_before: float
    ece_after: float


def _measure(
    bundle: Bundle, validation: ImageSet, test: ImageSet, on_progress: _OnPartProgress | None
) -> tuple[LocalTable, tuple[ExitRow, ...]]:
    local_net, cloud_net = bundle.local_net(), bundle.cloud_net()
    logits = {}
    for part, images in (("validation", validation), ("test", test)):
        logits[part] = all_logits(
            local_net, cloud_net, images, CODEC, on_progress=_labelled(on_progress, part)
        )
    validation_labels, test_labels = map(torch.from_numpy, (validation.labels, test.labels))

    def row(name: str) -> _Measured:
        result = accuracy(logits["test"][name], test_labels)
        temperature = round(fit_temperature(logits["validation"][name], validation_labels), 4)
        before, after = (
            round(calibration_error(logits["test"][name], test_labels, t), 4)
            for t in (1.0, temperature)
        )
        return _Measured(round(result.top1, 4), round(result.top5, 4), temperature, before, after)

    top1, top5, temperature, *errors = row(LOCAL)
    local = LocalTable(bundle.local.name, top1, top5, temperature, bundle.local.layers, *errors)
    exits = []
    for old in bundle.exits:
        top1, top5, temperature, *errors = row(old.name)
        shares = {CODEC: top1}, {CODEC: top5}
        exits.append(ExitRow(old.name, old.stage, old.head_ops, *shares, temperature, *errors))
    return local, tuple(exits)


def _labelled(on_progress: _OnPartProgress | None, part: str) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(part, done, total)


def _unmeasured(
    spec: NetSpec, edge: LocalNet, cloud: BranchedNet
) -> tuple[LocalTable, tuple[StageRow, ...], tuple[ExitRow, ...]]:
    """Rows with operations; accuracies are 0 until they are measured."""
    edge.eval()
    cloud.eval()
    x = torch.zeros(1, 3, spec.input_px, spec.input_px)
    layers = []
    for name, layer in zip(edge.names, edge.layers, strict=True):
        count, x = count_ops(layer, x)
        layers.append(LayerRow(name, count))
    x = torch.zeros(1, 3, spec.input_px, spec.input_px)
    stages, exits = [], []
    for i, (name, stage) in enumerate(zip(cloud.exit_names, cloud.stages, strict=True)):
        count, x = count_ops(stage, x)
        head_count, _ = count_ops(cloud.heads[name], x)
        stages.append(StageRow(f"stage{i + 1}", count))
        exits.append(ExitRow(name, i, head_count, {CODEC: 0.0}, {CODEC: 0.0}, 1.0))
    local = LocalTable(spec.local, 0.0, 0.0, 1.0, tuple(layers))
    return local, tuple(stages), tuple(exits)
