import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from mc_models.data.preprocess import MAX_BYTES, ImageError, decode_image, encode_jpeg, to_input
from mc_models.data.synthetic import render
from PIL import Image


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header announces width x height pixels, without pixel data."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\x00" * 100))


def encoded(width: int, height: int, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 128).save(buffer, kind)
    return buffer.getvalue()


def test_an_image_of_input_size_is_not_resampled():
    image = render(3, 1, 96)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    assert np.array_equal(decode_image(buffer.getvalue(), 96), image)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (50, 40), (224, 500), (4000, 3000)])
def test_any_size_becomes_a_square_of_the_input_size(size):
    image = decode_image(encoded(*size), 224)
    assert image.shape == (224, 224, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_other_colour_modes_become_rgb(mode):
    assert decode_image(encoded(64, 64, "PNG", mode), 64).shape == (64, 64, 3)


def test_the_centre_is_kept():
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    assert decode_image(encode_jpeg(wide), 100).mean() > 250


@pytest.mark.parametrize("data", [b"", b"hello, I am a text file\n" * 50, b"\x00" * 1000])
def test_bytes_that_are_not_an_image_are_refused(data):
    with pytest.raises(ImageError, match="JPEG or PNG"):
        decode_image(data, 224)


def test_other_formats_are_refused():
    with pytest.raises(ImageError, match="JPEG or PNG"):
        decode_image(encoded(64, 64, "BMP"), 224)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_an_image_cut_short_is_refused(kind, share):
    buffer = io.BytesIO()
    Image.fromarray(render(1, 1, 224)).save(buffer, kind)
    data = buffer.getvalue()
    with pytest.raises(ImageError):
        decode_image(data[: int(len(data) * share)], 224)


@pytest.mark.parametrize("size", [(10_000, 10_000), (65_000, 65_000), (4001, 4000)])
def test_too_many_pixels_are_refused_from_the_header_alone(size):
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ImageError, match="megapixels"):
        decode_image(png_header(*size), 224)
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert seconds < 0.5


def test_a_line_of_pixels_does_not_grow_into_a_huge_image():
    assert decode_image(encoded(60_000, 1, "PNG"), 224).shape == (224, 224, 3)


def test_too_many_bytes_are_refused():
    with pytest.raises(ImageError, match="8 MiB"):
        decode_image(b"\xff\xd8" + b"\x00" * MAX_BYTES, 224)


def test_network_input_is_normalised_and_channels_last():
    import torch

    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0] = 255
    x = to_input(image)
    assert x.shape == (1, 3, 8, 8)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x[0, 0].mean().item() == pytest.approx(127.5 / 64)
    assert x[0, 1].mean().item() == pytest.approx(-127.5 / 64)
