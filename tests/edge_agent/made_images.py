"""Encoded images for tests, valid and invalid ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

TEXT = b"no picture, only words\n" * 20


def image_bytes(kind="JPEG", size=(32, 32), noise=False, **options):
    """Return an encoded image; noise makes it large."""
    draw = np.random.default_rng(0)
    shape = (size[1], size[0], 3)
    pixels = draw.integers(0, 256, shape, np.uint8) if noise else np.full(shape, 120, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def cut_jpeg(size=(32, 32)):
    """Return a JPEG without its last third."""
    whole = image_bytes(size=size, noise=True)
    return whole[: len(whole) * 2 // 3]


def huge_png(side=10_000):
    """Return a PNG that ends after a header for a hundred megapixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = (header, data, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(body):
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
