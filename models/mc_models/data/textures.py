"""The ten fill textures of the generated image set, as fields in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

TEXTURES = (
    "plain", "stripes", "checks", "dots", "grid", "rings", "zigzag", "bricks", "speckle", "rays",
)  # fmt: skip
Floats = npt.NDArray[np.float32]


def texture_field(
    name: str, size: int, cell: float, angle_rad: float, rng: np.random.Generator
) -> Floats:
    """Field [size, size] in [0, 1]: the texture `name`, rotated, with a period of `cell` px."""
    axis = np.arange(size, dtype=np.float32) - size / 2
    cos, sin = np.float32(np.cos(angle_rad)), np.float32(np.sin(angle_rad))
    x, y = axis[None, :], axis[:, None]
    u, v = (x * cos + y * sin) / np.float32(cell), (y * cos - x * sin) / np.float32(cell)
    if name == "speckle":
        return _speckle(size, cell, rng)
    return PATTERNS[name](u, v).astype(np.float32)


def _speckle(size: int, cell: float, rng: np.random.Generator) -> Floats:
    """Random blocks of a third of a cell, without direction or period."""
    block = max(1, round(cell / 3))
    n = -(-size // block)
    coarse = rng.integers(0, 2, size=(n, n)).astype(np.float32)
    return coarse.repeat(block, axis=0).repeat(block, axis=1)[:size, :size]


def _bricks(u: Floats, v: Floats) -> npt.NDArray[Any]:
    row = np.floor(v * 1.6)
    mortar = (v * 1.6 % 1 < 0.25) | ((u * 0.8 + 0.5 * (row % 2)) % 1 < 0.16)
    return np.asarray(mortar)


# functions of position in cells, u and v [size, size], to 0/1 or bool of that shape
PATTERNS: dict[str, Callable[[Floats, Floats], npt.NDArray[Any]]] = {
    "plain": lambda u, v: np.zeros_like(u),
    "stripes": lambda u, v: u % 1 < 0.5,
    "checks": lambda u, v: (u % 1 < 0.5) ^ (v % 1 < 0.5),
    "dots": lambda u, v: (u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.09,
    "grid": lambda u, v: (u % 1 < 0.22) | (v % 1 < 0.22),
    "rings": lambda u, v: np.hypot(u, v) % 1 < 0.5,
    "zigzag": lambda u, v: (u + np.abs(v % 2 - 1)) % 1 < 0.5,
    "bricks": _bricks,
    "rays": lambda u, v: np.arctan2(v, u) * (9 / np.pi) % 2 < 1,
}
