"""Admission of an image: crop it to the nets' input and encode it for the uplink.

Nothing decodes an image on the loop. A small JPEG that already has the size of the nets' input and
holds nothing but the image is sent unchanged; its pixels are decoded only when a network on the
device needs them, on that network's thread. Any other image is decoded at once, on a pool with a
queue that is bounded in images and bytes. If a task's privacy keeps its image on the device, no
JPEG is made that could leave it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future

from mc_models.data.preprocess import (
    ImageError,
    Pixels,
    decode_image,
    decode_opened,
    encode_jpeg,
    open_image,
)

from edge_agent.bare_jpeg import bare_jpeg_size

MAX_WAITING, MAX_WAITING_BYTES = 64, 64 * 2**20
"""Images that may wait to be decoded, and their bytes; further tasks are refused as overload."""
SMALL_BYTES = 64 * 1024
"""A file up to this size is searched for its segments on the loop, which takes about 0.1 ms."""


NEW_SHARE = 8
"""One over the share of a new measurement in the mean time to decode an image."""


class Overloaded(Exception):
    """Too many images wait to be decoded."""


class Admitted:
    """An image in the form that each site takes."""

    def __init__(
        self, jpeg: bytes | None, pixels: Pixels | None = None, encoding_ns: int = 0
    ) -> None:
        """`jpeg` is the payload for the uplink, None if the image may not leave as one.

        `encoding_ns` is the time to encode it, 0 if the original file could be used.
        """
        self.jpeg = jpeg
        self.encoding_ns = encoding_ns
        self.damage = ""
        """Reason why the image cannot be decoded; empty until that has been tried and failed."""
        self._pixels = pixels
        self._file, self._input_px = b"", 0

    @classmethod
    def undecoded(cls, file: bytes, input_px: int, *, may_leave: bool) -> Admitted:
        """Return an image whose pixels are decoded when they are first needed."""
        image = cls(file if may_leave else None)
        image._file, image._input_px = file, input_px
        return image

    @property
    def is_decoded(self) -> bool:
        """True once its pixels are there, or could not be decoded."""
        return self._pixels is not None or bool(self.damage)

    @property
    def pixels(self) -> Pixels:
        """uint8 array [px, px, 3], decoded on the caller's thread. Raises ImageError."""
        if self._pixels is None:
            try:
                self._pixels = decode_image(self._file, self._input_px)
            except ImageError as error:
                self.damage = str(error)
                raise
        return self._pixels


Then = Callable[[Admitted | BaseException], None]
"""Receives the image or the error, on the loop."""


class Admission:
    """Admits images that need no decoding at once, and decodes the others on `pool`."""

    def __init__(self, input_px: int, pool: Executor) -> None:
        self._input_px = input_px
        self._pool = pool
        self._waiting = self._waiting_bytes = 0
        self._mean_ns = 0
        """Exponential mean of the time that one image takes on the pool."""

    @property
    def waiting(self) -> int:
        """Number of images that wait to be decoded."""
        return self._waiting

    def at_once(self, data: bytes, as_jpeg: bool = True) -> Admitted | None:
        """Return an image that can be used undecoded; None if it has to be decoded.

        `as_jpeg`: the image may leave the device as a JPEG.
        """
        px = self._input_px
        if len(data) > SMALL_BYTES or bare_jpeg_size(data) != (px, px):
            return None
        return Admitted.undecoded(data, px, may_leave=as_jpeg)

    def decode(self, data: bytes, as_jpeg: bool, due_ns: int, then: Then) -> Future[Admitted]:
        """Decode an image on the pool and call `then` on the loop, unless the result is cancelled.

        `then` gets an ImageError for a file that is not a valid image, and Overloaded for an image
        whose task was due, at `due_ns`, before it could be decoded. Raises Overloaded if that is to
        be expected, or if too many images wait.
        """
        self._check_room(len(data), due_ns)
        self._waiting += 1
        self._waiting_bytes += len(data)
        loop = asyncio.get_running_loop()

        def report(job: Future[Admitted]) -> None:
            loop.call_soon_threadsafe(self._over, job, len(data), then)

        job = self._pool.submit(self._work, data, as_jpeg, due_ns)
        job.add_done_callback(report)
        return job

    def check(self, image: Admitted, then: Callable[[], None]) -> None:
        """Decode an admitted image on the pool and call `then` on the loop."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            with contextlib.suppress(ImageError):
                image.pixels  # noqa: B018 - it notes the damage
            loop.call_soon_threadsafe(then)

        self._pool.submit(work)

    def _check_room(self, size: int, due_ns: int) -> None:
        if self._waiting >= MAX_WAITING:
            raise Overloaded(f"overload: {MAX_WAITING} images wait to be decoded")
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise Overloaded(f"overload: {self._waiting_bytes:,} bytes wait to be decoded")
        # an image that waits for no other is decoded in any case, which measures the time again
        expected_ns = self._waiting * self._mean_ns
        if self._waiting and time.monotonic_ns() + expected_ns > due_ns:
            raise Overloaded(f"overload: images wait {expected_ns / 1e6:.0f} ms to be decoded")

    def _work(self, data: bytes, as_jpeg: bool, due_ns: int) -> Admitted:
        started_ns = time.monotonic_ns()
        if started_ns > due_ns:
            raise Overloaded("overload: the task was due before its image could be decoded")
        image = _decoded(data, self._input_px, as_jpeg)
        took_ns = time.monotonic_ns() - started_ns
        self._mean_ns += (took_ns - self._mean_ns) // NEW_SHARE
        return image

    def _over(self, job: Future[Admitted], size: int, then: Then) -> None:
        self._waiting -= 1
        self._waiting_bytes -= size
        if not job.cancelled():
            error = job.exception()
            then(job.result() if error is None else error)


def _decoded(data: bytes, input_px: int, as_jpeg: bool) -> Admitted:
    pixels = decode_opened(open_image(data), input_px)
    if not as_jpeg:
        return Admitted(None, pixels)
    # a file that is sent unchanged must not carry a place, a name or a thumbnail
    if bare_jpeg_size(data) == (input_px, input_px):
        return Admitted(data, pixels)
    started_ns = time.thread_time_ns()
    jpeg = encode_jpeg(pixels)
    return Admitted(jpeg, pixels, time.thread_time_ns() - started_ns)
