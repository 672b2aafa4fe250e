"""Frames to stream: the images of a folder, file or glob, with their labels if known."""

from __future__ import annotations

import csv
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from mc_sched.errors import UserError

IMAGES = {".jpg", ".jpeg", ".png"}
VIDEOS = {".mp4", ".mkv", ".avi", ".mov", ".webm"}


@dataclass(frozen=True)
class Frame:
    """One image of a stream, with its true label if that is known."""

    name: str
    data: bytes
    label: str | None = None


def load_frames(source: str, labels_file: str | None, count: int | None) -> list[Frame]:
    """Return the images of a folder, glob or file in name order, repeated up to `count`.

    Raises UserError that names the source if there are none.
    """
    paths = _image_paths(source)
    labels = _labels(Path(labels_file) if labels_file else Path(source) / "labels.csv", labels_file)
    frames = [_frame(path, labels.get(path.name)) for path in paths]
    return frames if count is None else repeated(frames, count)


def load_class_folders(directory: str, count: int) -> list[Frame]:
    """Return `count` images, evenly distributed over a folder with one sub-folder per class.

    A folder without sub-folders is read by `load_frames`. Raises UserError if there are no images.
    """
    classes = [path for path in sorted(Path(directory).glob("*")) if path.is_dir()]
    if not classes:
        return load_frames(directory, None, count)
    images = [path for folder in classes for path in _images_in(folder)]
    if not images:
        raise UserError(f"{directory}: its sub-folders contain no .jpg, .jpeg or .png file")
    step = max(1, len(images) // count)
    frames = [_frame(path, path.parent.name) for path in images[::step][:count]]
    return repeated(frames, count)


def repeated(frames: Sequence[Frame], count: int) -> list[Frame]:
    """Return `count` frames; after the last one the first follows again."""
    return list(islice(cycle(frames), count))


def _frame(path: Path, label: str | None) -> Frame:
    try:
        return Frame(path.name, path.read_bytes(), label)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _image_paths(source: str) -> list[Path]:
    place = Path(source)
    if place.suffix.lower() in VIDEOS or source.startswith("/dev/video"):
        raise UserError(
            f"{source}: video is not supported yet; pass a folder of JPEG or PNG frames"
        )
    if place.is_file():  # even if its name contains glob characters
        return [place]
    found = _images_in(place) if place.is_dir() else _matching(source)
    if not found:
        problem = "contains no .jpg, .jpeg or .png file" if place.is_dir() else "matches no file"
        raise UserError(f"{source}: {problem}; `mc-sched images --out frames` makes some")
    return found


def _images_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGES]


def _matching(pattern: str) -> list[Path]:
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    return [path for path in found if path.is_file()]


def _labels(path: Path, given: str | None) -> dict[str, str]:
    if not path.is_file():
        if given:
            raise UserError(f"{path}: there is no such labels file")
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) >= 3]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV text in UTF-8: {error}") from None
    return {Path(row[0]).name: row[2] for row in rows if row[0] != "file"}
