"""Write the generated image set as JPEG files with a table of labels."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import CLASS_NAMES, Split, render_split
from mc_models.progress import OnProgress

LABELS_FILE = "labels.csv"
COLUMNS = ("file", "label index", "label name")


@dataclass(frozen=True)
class WrittenImages:
    """The result of `write_images`."""

    folder: Path
    count: int
    bytes: int


def write_images(
    folder: Path,
    count: int,
    split: Split = "test",
    seed: int = 0,
    px: int = 224,
    quality: int = 90,
    on_progress: OnProgress | None = None,
) -> WrittenImages:
    """Write `count` JPEG files named like 00012_star-stripes.jpg and labels.csv beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    with (folder / LABELS_FILE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for index, (image, label) in enumerate(render_split(split, count, seed, px)):
            name = f"{index:05d}_{CLASS_NAMES[label]}.jpg"
            data = encode_jpeg(image, quality)
            (folder / name).write_bytes(data)
            table.writerow((name, label, CLASS_NAMES[label]))
            total += len(data)
            if on_progress is not None:
                on_progress(index + 1, count)
    return WrittenImages(folder, count, total)
