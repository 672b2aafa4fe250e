"""Admission of an image: decode it once, crop it to the nets' input, encode it for the uplink.

If a task's privacy keeps its image on the device, no JPEG is made that could leave it.
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
"""Images that may wait to be decoded; further tasks are refused as overload."""
SMALL_BYTES, SMALL_PIXELS = 64 * 1024, 256 * 256
"""An image within both is decoded on the loop: waking a thread would take about as long."""


class Overloaded(Exception):
    """Too many images wait to be decoded."""


@dataclass(frozen=True)
class Admitted:
    """An image in the form that each site takes."""

    pixels: Pixels
    """uint8 array [px, px, 3]."""
    jpeg: bytes | None
    """Payload for the uplink, without the original file's metadata; None if it may not leave."""
    encoding_ns: int = 0
    """Time to encode `jpeg`; 0 if the original file could be used."""


class Admission:
    """Decodes small images at once and larger ones on `pool`, with a bounded queue."""

    def __init__(self, input_px: int, pool: Executor) -> None:
        self._input_px = input_px
        self._pool = pool
        self._waiting = 0

    async def admit(self, data: bytes, as_jpeg: bool = True) -> Admitted:
        """Decode an image and, if it may leave the device `as_jpeg`, encode it.

        Raises mc_models.data.preprocess.ImageError for an invalid image, or Overloaded.
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
    # a file that is sent unchanged must not carry a place, a name or a thumbnail
    sendable = image.size == (input_px, input_px) and image.mode == "RGB" and is_bare_jpeg(data)
    pixels = decode_opened(image, input_px)
    if sendable:
        return Admitted(pixels, data)
    started_ns = time.thread_time_ns()
    jpeg = encode_jpeg(pixels)
    return Admitted(pixels, jpeg, time.thread_time_ns() - started_ns)
