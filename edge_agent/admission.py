"""Taking an image in: decoded once, cropped to the nets' input, encoded for the uplink."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from mc_models.preprocess import Pixels, decode_opened, encode_jpeg, open_image
from PIL import Image

from .bare_jpeg import is_bare_jpeg

MAX_WAITING = 64
"""Images that may wait to be decoded; beyond that a task is refused as overload."""
SMALL_BYTES, SMALL_PIXELS = 64 * 1024, 256 * 256
"""An image within both is decoded where it arrived: a thread would take about as long to wake."""


class Overloaded(Exception):
    """Too many images wait to be decoded."""


@dataclass(frozen=True)
class Admitted:
    """An image that both sites can take."""

    pixels: Pixels
    """uint8 array [px, px, 3]."""
    jpeg: bytes
    """The same for the uplink, without the metadata of the original file."""


class Admission:
    """Decodes small images at once and larger ones on `pool`, as many as may wait for it."""

    def __init__(self, input_px: int, pool: Executor) -> None:
        self._input_px = input_px
        self._pool = pool
        self._waiting = 0

    async def admit(self, data: bytes) -> Admitted:
        """Decode and encode an image.

        Raises mc_models.preprocess.ImageError with what is wrong with it, or Overloaded.
        """
        if len(data) <= SMALL_BYTES:
            image = open_image(data)
            if image.width * image.height <= SMALL_PIXELS:
                return _admitted(data, image, self._input_px)
        return await self._on_pool(lambda: _admitted(data, open_image(data), self._input_px))

    async def _on_pool(self, work: Callable[[], Admitted]) -> Admitted:
        if self._waiting >= MAX_WAITING:
            raise Overloaded(f"overload: {MAX_WAITING} images wait to be decoded")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _admitted(data: bytes, image: Image.Image, input_px: int) -> Admitted:
    # what goes out as it came must hold nothing but the picture: no place, no name, no thumbnail
    ready = image.size == (input_px, input_px) and image.mode == "RGB" and is_bare_jpeg(data)
    pixels = decode_opened(image, input_px)
    return Admitted(pixels, data if ready else encode_jpeg(pixels))
