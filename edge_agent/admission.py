"""Taking an image in: decoded once, cropped to the nets' input, encoded for the uplink.

Where a task's privacy forbids that its picture leaves, no jpeg is made that could.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from mc_models.data.preprocess import Pixels, decode_opened, encode_jpeg, open_image
from PIL import Image

from edge_agent.bare_jpeg import is_bare_jpeg

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
    jpeg: bytes | None
    """The same for the uplink, without the metadata of the original file; None: not allowed."""
    encoding_ns: int = 0
    """Time that making the jpeg took; none if the file could go as it came."""


class Admission:
    """Decodes small images at once and larger ones on `pool`, as many as may wait for it."""

    def __init__(self, input_px: int, pool: Executor) -> None:
        self._input_px = input_px
        self._pool = pool
        self._waiting = 0

    async def admit(self, data: bytes, as_jpeg: bool = True) -> Admitted:
        """Decode an image and, where it may leave `as_jpeg`, encode it.

        Raises mc_models.data.preprocess.ImageError with what is wrong with it, or Overloaded.
        """
        if len(data) <= SMALL_BYTES:
            image = open_image(data)
            if image.width * image.height <= SMALL_PIXELS:
                return _admitted(data, image, self._input_px, as_jpeg)
        return await self._on_pool(
            lambda: _admitted(data, open_image(data), self._input_px, as_jpeg)
        )

    async def _on_pool(self, work: Callable[[], Admitted]) -> Admitted:
        if self._waiting >= MAX_WAITING:
            raise Overloaded(f"overload: {MAX_WAITING} images wait to be decoded")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _admitted(data: bytes, image: Image.Image, input_px: int, as_jpeg: bool) -> Admitted:
    if not as_jpeg:
        return Admitted(decode_opened(image, input_px), None)
    # what goes out as it came must hold nothing but the picture: no place, no name, no thumbnail
    ready = image.size == (input_px, input_px) and image.mode == "RGB" and is_bare_jpeg(data)
    pixels = decode_opened(image, input_px)
    if ready:
        return Admitted(pixels, data)
    started_ns = time.thread_time_ns()
    jpeg = encode_jpeg(pixels)
    return Admitted(pixels, jpeg, time.thread_time_ns() - started_ns)
