"""Measure a bundle's accuracy on images and compare it with the stored tables.

The evaluation also has the expected calibration error of each output before and after its
temperature, and the confusion of outputs: the number of images that one output classifies
correctly and another does not, which is the benefit of a deeper exit or of the cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mc_models.bundle.load import Bundle
from mc_models.data.image_sets import DataError, ImageSet, folder_set, generated_set
from mc_models.data.synthetic import CLASS_NAMES
from mc_models.inference.outputs import (
    LOCAL,
    Accuracy,
    accuracy,
    all_logits,
    calibration_error,
    hits,
)
from mc_models.progress import OnProgress


@dataclass(frozen=True)
class EvaluatedRow:
    """One output: its measured and stored accuracy and its calibration errors, in [0, 1]."""

    name: str
    measured: Accuracy
    stored: Accuracy
    ece_before: float
    ece_after: float
    """Expected calibration error without and with the output's temperature."""

    @property
    def top5_difference(self) -> float:
        """Measured minus stored top-5 accuracy."""
        return self.measured.top5 - self.stored.top5


Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Confusion:
    """Entry [i][j]: number of images that output i classifies correctly and output j does not."""

    top1: Matrix
    top5: Matrix


@dataclass(frozen=True)
class Evaluation:
    """Rows for the local net and every exit in forward order, under one codec."""

    bundle: str
    codec: str
    images: int
    unreadable: tuple[str, ...]
    rows: tuple[EvaluatedRow, ...]
    confusion: Confusion


def evaluation_images(
    bundle: Bundle,
    data: str,
    count: int | None,
    seed: int | None,
    on_progress: OnProgress | None = None,
) -> ImageSet:
    """The images to evaluate on: generated test images, or a folder of class folders.

    `count` and `seed` default to those of the stored tables.
    """
    if data == "generated" and bundle.labels != CLASS_NAMES:
        raise DataError(
            f"the classes of bundle {bundle.name} are not those of the generated images; "
            "give a folder of its classes with --data"
        )
    if data != "generated":
        return _relabelled(folder_set(Path(data), bundle.input_px, on_progress), bundle.labels)
    count = int(bundle.measured.get("count", 2000)) if count is None else count
    seed = int(bundle.measured.get("seed", 0)) if seed is None else seed
    return generated_set("test", count, seed, bundle.input_px, on_progress)


def _relabelled(images: ImageSet, labels: tuple[str, ...]) -> ImageSet:
    """Map a folder's classes to the bundle's labels by name."""
    unknown = [name for name in images.class_names if name not in labels]
    if unknown:
        raise DataError(
            f"class folder '{unknown[0]}' is not a label of this bundle; name the folders after "
            f"its labels, such as '{labels[0]}'"
        )
    index = torch.tensor([labels.index(name) for name in images.class_names]).numpy()
    return ImageSet(images.images, index[images.labels], labels, images.unreadable)


def evaluate(
    bundle: Bundle, images: ImageSet, codec: str = "jpeg", on_progress: OnProgress | None = None
) -> Evaluation:
    """Top-1 and top-5 accuracy of the local net and every exit on `images`."""
    logits = all_logits(
        bundle.local_net(), bundle.cloud_net(), images, codec, on_progress=on_progress
    )
    labels = torch.from_numpy(images.labels)
    local = bundle.local
    stored = {LOCAL: (Accuracy(local.top1, local.top5), local.temperature)}
    for row in bundle.exits:
        stored[row.name] = (Accuracy(row.top1[codec], row.top5[codec]), row.temperature)
    rows = tuple(
        EvaluatedRow(
            name,
            accuracy(logits[name], labels),
            before,
            calibration_error(logits[name], labels, 1.0),
            calibration_error(logits[name], labels, temperature),
        )
        for name, (before, temperature) in stored.items()
    )
    right = [hits(logits[name], labels) for name in stored]
    confusion = Confusion(_only_right([r[0] for r in right]), _only_right([r[1] for r in right]))
    return Evaluation(bundle.name, codec, len(images), images.unreadable, rows, confusion)


def _only_right(right: Sequence[Tensor]) -> Matrix:
    """Pairwise counts from one bool tensor [images] per output."""
    return tuple(tuple(int((a & ~b).sum()) for b in right) for a in right)
