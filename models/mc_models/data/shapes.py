"""The ten object outlines of the generated image set, drawn as masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

SHAPES = (
    "disc", "square", "triangle", "star", "cross", "heart", "ring", "moon", "arrow", "hourglass",
)  # fmt: skip
_OVERSAMPLE = 2  # masks are drawn at twice the size and reduced, for smooth edges
Points = Sequence[tuple[float, float]]


def _star(tips: int = 5, inner: float = 0.42) -> Points:
    angles = np.arange(2 * tips) * np.pi / tips - np.pi / 2
    radii = np.where(np.arange(2 * tips) % 2 == 0, 1.0, inner)
    return [
        (float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radii, angles, strict=True)
    ]


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return [(float(a) / 18, float(b) / 18) for a, b in zip(x, y, strict=True)]


def _cross(arm: float = 0.3) -> Points:
    a, b = arm, 0.92
    return [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a),
            (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]  # fmt: skip


# corners in [-1, 1], y downwards
POLYGONS: dict[str, Points] = {
    "square": [(-0.72, -0.72), (0.72, -0.72), (0.72, 0.72), (-0.72, 0.72)],
    "triangle": [(0, -0.95), (0.9, 0.7), (-0.9, 0.7)],
    "star": _star(),
    "cross": _cross(),
    "heart": _heart(),
    "arrow": [(0, -0.95), (0.8, -0.1), (0.3, -0.1), (0.3, 0.95), (-0.3, 0.95), (-0.3, -0.1),
              (-0.8, -0.1)],
    "hourglass": [(-0.75, -0.9), (0.75, -0.9), (0.15, 0), (0.75, 0.9), (-0.75, 0.9), (-0.15, 0)],
}  # fmt: skip

# a filled circle, and in some shapes a second circle cut out of it: (x, y, radius)
_Circle = tuple[float, float, float]
CIRCLES: dict[str, tuple[_Circle, _Circle | None]] = {
    "disc": ((0, 0, 0.85), None),
    "ring": ((0, 0, 0.92), (0, 0, 0.5)),
    "moon": ((0, 0, 0.92), (0.45, -0.1, 0.75)),
}


def shape_mask(name: str, size: int, tilt_deg: float = 0.0) -> Image.Image:
    """Mask of a shape: PIL image of mode L, size x size, 255 inside."""
    side = size * _OVERSAMPLE
    big = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(big)
    tilt_rad = np.deg2rad(tilt_deg)
    cos, sin = float(np.cos(tilt_rad)), float(np.sin(tilt_rad))

    def at(x: float, y: float) -> tuple[float, float]:
        return (1 + x * cos - y * sin) * side / 2, (1 + x * sin + y * cos) * side / 2

    if name in POLYGONS:
        draw.polygon([at(x, y) for x, y in POLYGONS[name]], fill=255)
    else:
        for circle, value in zip(CIRCLES[name], (255, 0), strict=True):
            if circle is not None:
                (cx, cy), r = at(circle[0], circle[1]), circle[2] * side / 2
                draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=value)
    return big.reduce(_OVERSAMPLE)
