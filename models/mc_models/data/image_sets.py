"""Image sets in memory: generated ones, and folders with one sub-folder per class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mc_models.data import synthetic
from mc_models.data.preprocess import ImageError, Pixels, decode_image, encode_jpeg
from mc_models.progress import OnProgress

SUFFIXES = (".jpg", ".jpeg", ".png")


class DataError(ValueError):
    """The images cannot be trained on or evaluated; the sentence says what to change."""


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 [n, px, px, 3] with labels int64 [n] into `class_names`."""

    images: Pixels
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    generated: bool = False

    def __len__(self) -> int:
        return len(self.labels)


def generated_set(
    split: synthetic.Split,
    count: int,
    seed: int,
    px: int,
    on_progress: OnProgress | None = None,
    jpeg: bool = False,
) -> ImageSet:
    """Render the first `count` generated images of a split into memory.

    With `jpeg` each is encoded and decoded once, like the frames of a camera.
    """
    images = np.empty((count, px, px, 3), np.uint8)
    labels = np.empty(count, np.int64)
    for i, (image, label) in enumerate(synthetic.render_split(split, count, seed, px)):
        images[i] = decode_image(encode_jpeg(image), px) if jpeg else image
        labels[i] = label
        if on_progress is not None:
            on_progress(i + 1, count)
    return ImageSet(images, labels, synthetic.CLASS_NAMES, generated=True)


def folder_set(root: Path, px: int, on_progress: OnProgress | None = None) -> ImageSet:
    """Read all JPEG and PNG files below root/<class name>/; leave out and name unreadable ones."""
    files = _class_files(root)
    classes = [path.relative_to(root).parts[0] for path in files]
    names = tuple(sorted(set(classes)))
    images = np.empty((len(files), px, px, 3), np.uint8)
    labels: list[int] = []
    unreadable: list[str] = []
    for i, (path, name) in enumerate(zip(files, classes, strict=True)):
        try:
            images[len(labels)] = decode_image(path.read_bytes(), px)
            labels.append(names.index(name))
        except (ImageError, OSError):
            unreadable.append(str(path))
        if on_progress is not None:
            on_progress(i + 1, len(files))
    if len(set(labels)) < 2:
        raise DataError(
            f"{root} has readable images of {len(set(labels))} class(es) "
            f"and {len(unreadable)} unreadable files; "
            "give a folder with at least two sub-folders of JPEG or PNG files"
        )
    labels_read = np.array(labels, np.int64)
    return ImageSet(images[: len(labels)], labels_read, names, tuple(unreadable))


def _class_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give 'generated' or a folder of class folders")
    found = (p for p in root.glob("*/**/*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(found)


def split_folder(images: ImageSet, seed: int) -> dict[str, ImageSet]:
    """Split a set at random into train, val and test (80, 10, 10 %), class by class.

    A class with three images or more is in all three parts, a class of two in train and test.
    Raises DataError if a class has fewer than two images, or no class has three.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for label, name in enumerate(images.class_names):
        order = rng.permutation(np.flatnonzero(images.labels == label)).tolist()
        if len(order) < 2:
            raise DataError(
                f"class '{name}' has {len(order)} readable image(s) but needs 2, one for training "
                "and one for testing; add images or remove its folder"
            )
        held = max(1, round(len(order) / 10))
        rows["test"] += order[:held]
        rows["val"] += order[held : 2 * held] if len(order) > 2 else []
        rows["train"] += order[2 * held :] if len(order) > 2 else order[held:]
    if not rows["val"]:
        raise DataError("no class has three images, so none is left to calibrate on; add images")
    return {
        name: ImageSet(images.images[part], images.labels[part], images.class_names)
        for name, part in rows.items()
    }
