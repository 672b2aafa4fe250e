"""Measure a bundle's accuracy tables, and compare them with the stored ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mc_models.bundle import Bundle
from mc_models.calibrate import LOCAL, Accuracy, accuracy, all_logits, calibration_error
from mc_models.data import DataError, ImageSet, folder_set, generated_set

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class EvaluatedRow:
    """One output: measured accuracy, the stored one, calibration error; all in [0, 1]."""

    name: str
    measured: Accuracy
    stored: Accuracy
    calibration_error: float

    @property
    def top5_difference(self) -> float:
        """Measured minus stored top-5 accuracy."""
        return self.measured.top5 - self.stored.top5


@dataclass(frozen=True)
class Evaluation:
    """Rows for the local net and every exit in forward order, under one codec."""

    bundle: str
    codec: str
    images: int
    unreadable: tuple[str, ...]
    rows: tuple[EvaluatedRow, ...]


def evaluation_images(
    bundle: Bundle, data: str, count: int | None, seed: int | None, report: Report | None = None
) -> ImageSet:
    """The images to evaluate on: generated test images, or a folder of class folders.

    Left out, `count` and `seed` are those that the stored tables were measured with.
    """
    if data != "generated":
        return _relabelled(folder_set(Path(data), bundle.input_px, report), bundle.labels)
    count = int(bundle.measured.get("count", 2000)) if count is None else count
    seed = int(bundle.measured.get("seed", 0)) if seed is None else seed
    return generated_set("test", count, seed, bundle.input_px, report)


def _relabelled(images: ImageSet, labels: tuple[str, ...]) -> ImageSet:
    """Folder classes mapped to the bundle's labels by name."""
    unknown = [name for name in images.class_names if name not in labels]
    if unknown:
        raise DataError(
            f"class folder '{unknown[0]}' is no label of this bundle; name the folders after its "
            f"labels, such as '{labels[0]}'"
        )
    index = torch.tensor([labels.index(name) for name in images.class_names]).numpy()
    return ImageSet(images.images, index[images.labels], labels, images.unreadable)


def evaluate(
    bundle: Bundle, images: ImageSet, codec: str = "jpeg", report: Report | None = None
) -> Evaluation:
    """Top-1 and top-5 accuracy of the local net and every exit on `images`."""
    logits = all_logits(bundle.edge_net(), bundle.cloud_net(), images, codec, report=report)
    labels = torch.from_numpy(images.labels)
    local = bundle.local
    stored = {LOCAL: (Accuracy(local.top1, local.top5), local.temperature)}
    for row in bundle.exits:
        stored[row.name] = (Accuracy(row.top1[codec], row.top5[codec]), row.temperature)
    rows = tuple(
        EvaluatedRow(
            name,
            accuracy(logits[name], labels),
            was,
            calibration_error(logits[name], labels, temperature),
        )
        for name, (was, temperature) in stored.items()
    )
    return Evaluation(bundle.name, codec, len(images), images.unreadable, rows)
