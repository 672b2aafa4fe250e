"""Taking an image in: decoded once, cropped to the nets' input, encoded for the uplink."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from mc_models.preprocess import decode_image, encode_jpeg
from PIL import Image


@dataclass(frozen=True)
class Admitted:
    """An image that both sites can take."""

    pixels: Any
    """uint8 array [px, px, 3]."""
    jpeg: bytes
    """The same for the uplink, without the metadata of the original file."""


def admit(data: bytes, input_px: int) -> Admitted:
    """Decode and encode; mc_models.preprocess.ImageError says what is wrong with the image."""
    pixels = decode_image(data, input_px)
    return Admitted(pixels, data if _ready_to_send(data, input_px) else encode_jpeg(pixels))


def _ready_to_send(data: bytes, input_px: int) -> bool:
    """A bare JPEG of the right size goes as it is; one with metadata (a place, a name) does not."""
    with Image.open(io.BytesIO(data)) as image:
        bare = not {"exif", "xmp", "comment", "photoshop"} & image.info.keys()
        fits = image.size == (input_px, input_px) and image.mode == "RGB"
        return image.format == "JPEG" and bare and fits
