"""The generated image set: 100 classes, ten shapes times ten fill textures.

An image shows one textured shape on a cluttered background. Colours, position, size and angle are
random and independent of the class. The texture is visible in any small window, but the shape only
to a layer whose receptive field covers the object, so accuracy grows with depth. Each image draws a
difficulty in [0, 1] that sets its noise, clutter, occlusion, contrast and tilt.

An image depends only on its split, seed, index and size: the same call gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mc_models.data.shapes import SHAPES, shape_mask
from mc_models.data.textures import TEXTURES, texture_field

Split = Literal["train", "val", "test"]
Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

CLASS_NAMES: tuple[str, ...] = tuple(f"{s}-{t}" for s in SHAPES for t in TEXTURES)
_SPLIT_KEYS: dict[Split, int] = {"train": 1, "val": 2, "test": 3}
_REFERENCE_PX = 224  # sizes below are in pixels of a 224 x 224 image


def render(class_index: int, seed: int | tuple[int, ...], px: int = 224) -> Pixels:
    """Render one image of a class: uint8 [px, px, 3] RGB, determined by the arguments."""
    key = (seed,) if isinstance(seed, int) else seed
    rng = np.random.Generator(np.random.PCG64([class_index, *key]))
    difficulty = float(rng.random())
    canvas = _background(rng, px, difficulty)
    _place_object(rng, canvas, class_index, difficulty)
    _strokes(rng, canvas, count=int(rng.integers(0, 1 + round(2 * difficulty))), centred=True)
    return _noise(rng, canvas, difficulty)


def render_split(
    split: Split, count: int, seed: int = 0, px: int = 224, start: int = 0
) -> Iterator[tuple[Pixels, int]]:
    """Images start..start+count of a split as (image, class index); classes alternate."""
    for index in range(start, start + count):
        label = split_label(index)
        yield render(label, (_SPLIT_KEYS[split], seed, index), px), label


def split_label(index: int) -> int:
    """The class of the image at `index` of any split: a fixed permutation of all classes."""
    return (index * 37) % len(CLASS_NAMES)


def _background(rng: np.random.Generator, px: int, difficulty: float) -> Image.Image:
    coarse = rng.integers(50, 206, size=(4, 4, 3), dtype=np.uint8)
    canvas = Image.fromarray(coarse).resize((px, px), Image.Resampling.BICUBIC)
    _strokes(rng, canvas, count=2 + int(rng.integers(0, 3 + round(10 * difficulty))))
    return canvas


def _strokes(
    rng: np.random.Generator, canvas: Image.Image, count: int, centred: bool = False
) -> None:
    """Distractors: thin lines, arcs and blobs of random colour, anywhere or across the object."""
    px = canvas.width
    draw = ImageDraw.Draw(canvas)
    unit = px / _REFERENCE_PX
    low, high = (0.3, 0.7) if centred else (-0.05, 1.05)
    for _ in range(count):
        x0, y0, x1, y1 = (float(v) for v in rng.uniform(low * px, high * px, 4))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        width = max(1, round(unit * float(rng.uniform(1, 5))))
        kind = rng.integers(0, 3)
        box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        if kind == 0 or centred:
            draw.line((x0, y0, x1, y1), fill=colour, width=width)
        elif kind == 1:
            draw.arc(box, int(rng.integers(0, 360)), int(rng.integers(0, 360)), colour, width)
        else:
            side = unit * float(rng.uniform(4, 18))
            draw.ellipse((x0, y0, x0 + side, y0 + side), fill=colour)


def _place_object(
    rng: np.random.Generator, canvas: Image.Image, class_index: int, difficulty: float
) -> None:
    """Paste the textured shape near the centre; difficult images are tilted more."""
    unit = canvas.width / _REFERENCE_PX
    size = max(8, round(unit * float(rng.uniform(64, 90))))
    tilt_deg = float(rng.uniform(-1, 1)) * (10 + 30 * difficulty)
    shape, texture = divmod(class_index, len(TEXTURES))
    mask = shape_mask(SHAPES[shape], size, tilt_deg)
    cell = unit * float(rng.uniform(8.5, 11))
    field = texture_field(TEXTURES[texture], size, cell, float(rng.uniform(0, np.pi)), rng)
    paint = _paint(rng, field, difficulty)
    offset = rng.uniform(-9, 9, 2) * unit
    corner = [round((canvas.width - size) / 2 + float(v)) for v in offset]
    canvas.paste(Image.fromarray(paint), (corner[0], corner[1]), mask)


def _paint(rng: np.random.Generator, field: Floats, difficulty: float) -> Pixels:
    """Colour a field in [0, 1] with two colours whose contrast decreases with difficulty."""
    first = rng.uniform(0, 255, 3)
    away = np.where(first < 128, 1.0, -1.0) * rng.uniform(0.45, 1.0, 3)
    second = np.clip(first + away * (170 - 70 * difficulty), 0, 255)
    mixed = first + field[:, :, None] * (second - first)
    return np.asarray(mixed, dtype=np.uint8)


def _noise(rng: np.random.Generator, canvas: Image.Image, difficulty: float) -> Pixels:
    """Add sensor noise: a difference of two uniforms (triangular), up to 20 grey levels."""
    pixels = np.asarray(canvas, dtype=np.int16)
    raw = np.frombuffer(rng.bytes(2 * pixels.size), dtype=np.uint8).astype(np.int16)
    raw = raw.reshape(2, *pixels.shape)
    gain = int(6 + 34 * difficulty)
    noisy = pixels + (((raw[0] - raw[1]) * gain) >> 8)
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)
