"""The files of a bundle: their names, where bundles are found, and the check of their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mc_models.bundle.rows import CodecRow

TABLE_FILE, EDGE_FILE, CLOUD_FILE = "bundle.json", "edge.safetensors", "cloud.safetensors"
CODEC_FILE = "codec.safetensors"
SHIPPED = Path(__file__).parents[1] / "bundles"


class BundleError(ValueError):
    """The bundle cannot be used; the sentence names the file and what to do."""


def bundle_path(path_or_name: str | Path) -> Path:
    """Return the directory of a bundle that is given by path or by a shipped name."""
    path = Path(path_or_name)
    if (path / TABLE_FILE).is_file():
        return path
    shipped = SHIPPED / str(path_or_name)
    if len(path.parts) == 1 and (shipped / TABLE_FILE).is_file():
        return shipped
    names = ", ".join(shipped_names()) or "none"
    raise BundleError(
        f"{path} is not a bundle (it has no {TABLE_FILE}); give a bundle's folder or a shipped "
        f"name ({names})"
    )


def shipped_names() -> tuple[str, ...]:
    """Names of the bundles that come with the package."""
    return tuple(sorted(p.parent.name for p in SHIPPED.glob(f"*/{TABLE_FILE}")))


def weight_files(codecs: tuple[CodecRow, ...]) -> tuple[str, ...]:
    """The weight files of a bundle with these codecs."""
    return (EDGE_FILE, CLOUD_FILE, CODEC_FILE) if codecs else (EDGE_FILE, CLOUD_FILE)


def verify_files(path: Path, expected: Mapping[str, str], files: tuple[str, ...]) -> None:
    """Raise BundleError if one of the files in `path` is missing or its SHA-256 differs."""
    for name in files:
        file = path / name
        if not file.is_file():
            raise BundleError(f"{file} is missing; copy the bundle again")
        if file_hash(file) != expected.get(name):
            raise BundleError(
                f"{file}: its SHA-256 differs from the one in {TABLE_FILE}; "
                "the file is damaged or from another bundle, copy the bundle again"
            )


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
