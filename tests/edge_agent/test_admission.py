"""Admission: its result, the thread that does the work, and metadata that never leaves."""

import asyncio
import contextlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mc_models.data.preprocess import ImageError
from PIL import Image, PngImagePlugin

from edge_agent import admission
from edge_agent.admission import MAX_WAITING, SMALL_BYTES, Admission, Overloaded
from tests.edge_agent.edge_rig import PATIENCE_S
from tests.edge_agent.made_images import TEXT, cut_jpeg, huge_png, image_bytes

PX = 32
SECRET = b"52.5200N 13.4050E"
LARGE = image_bytes(size=(300, 300))
"""An image with more pixels than are decoded inline."""


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as pool:
        yield pool


@contextlib.contextmanager
def busy(pool):
    """Keep the pool's only thread busy."""
    release = threading.Event()
    pool.submit(release.wait, PATIENCE_S)
    try:
        yield
    finally:
        release.set()


def with_segment(jpeg, marker, content):
    """Return the JPEG with one more segment after its start."""
    return jpeg[:2] + segment(marker, content) + jpeg[2:]


def segment(marker, content):
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


async def admit(data, pool=None):
    return await asyncio.wait_for(Admission(PX, pool).admit(data), PATIENCE_S)


# --- the result -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(32, 32), (64, 48), (10, 200), (300, 280)])
async def test_an_image_becomes_the_nets_input_and_a_jpeg_of_the_same_size(pool, kind, size):
    image = await admit(image_bytes(kind, size), pool)
    assert (image.pixels.shape, image.pixels.dtype) == ((PX, PX, 3), np.uint8)
    sent = Image.open(io.BytesIO(image.jpeg))
    assert (sent.format, sent.size, sent.mode) == ("JPEG", (PX, PX), "RGB")


async def test_both_sites_see_the_same_image(pool):
    image = await admit(image_bytes("PNG", (80, 60), noise=True), pool)
    seen = np.asarray(Image.open(io.BytesIO(image.jpeg)), np.int16)
    assert np.abs(seen - image.pixels).mean() < 25  # what JPEG does to noise


async def test_a_bare_jpeg_of_the_right_size_is_sent_unchanged():
    data = image_bytes(size=(PX, PX), quality=55)
    assert (await admit(data)).jpeg is data


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr"])
async def test_a_jpeg_of_another_colour_space_becomes_rgb(mode):
    buffer = io.BytesIO()
    Image.new(mode, (PX, PX)).save(buffer, "JPEG")
    image = await admit(buffer.getvalue())
    assert image.pixels.shape == (PX, PX, 3)
    assert Image.open(io.BytesIO(image.jpeg)).mode == "RGB"


async def test_a_png_with_transparency_becomes_rgb():
    buffer = io.BytesIO()
    Image.new("RGBA", (PX, PX), (10, 20, 30, 0)).save(buffer, "PNG")
    assert (await admit(buffer.getvalue())).pixels.shape == (PX, PX, 3)


# --- metadata never leaves --------------------------------------------------------------------


def exif(size=(PX, PX)):
    tags = Image.Exif()
    tags[0x010E] = SECRET.decode()
    return image_bytes(size=size, exif=tags)


def text_in_png():
    info = PngImagePlugin.PngInfo()
    info.add_text("place", SECRET.decode())
    return image_bytes("PNG", (PX, PX), pnginfo=info)


BARE = image_bytes(size=(PX, PX))
TELLING = {
    "exif": exif(),
    "exif, of another size": exif((64, 64)),
    "xmp": image_bytes(size=(PX, PX), xmp=SECRET),
    "comment": image_bytes(size=(PX, PX), comment=SECRET),
    "photoshop": with_segment(BARE, 0xED, b"Photoshop 3.0\x00" + SECRET),
    "png text": text_in_png(),
    "behind the end": BARE + SECRET,
    "a maker's segment": with_segment(BARE, 0xEB, SECRET),
    "extended xmp": with_segment(BARE, 0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + SECRET),
    "colour profile": image_bytes(size=(PX, PX), icc_profile=SECRET),
    "thumbnail": with_segment(BARE, 0xE0, b"JFXX\x00\x10" + SECRET),
}
SCANS = image_bytes(size=(PX, PX), progressive=True).rpartition(b"\xff\xda")
BETWEEN_SCANS = SCANS[0] + segment(0xFE, SECRET) + b"".join(SCANS[1:])


async def check_no_metadata_is_left(data):
    assert SECRET in data
    image = await admit(data)
    assert SECRET not in image.jpeg
    assert Image.open(io.BytesIO(image.jpeg)).size == (PX, PX)


@pytest.mark.parametrize("kind", TELLING)
async def test_metadata_never_leaves(kind):
    await check_no_metadata_is_left(TELLING[kind])


@pytest.mark.parametrize(
    "data", [BARE[:-2] + segment(0xFE, SECRET) + BARE[-2:], BETWEEN_SCANS], ids=["last", "between"]
)
async def test_metadata_behind_a_scan_never_leaves(data):
    await check_no_metadata_is_left(data)


async def test_a_bare_progressive_jpeg_is_sent_unchanged():
    data = image_bytes(size=(PX, PX), progressive=True, noise=True)
    assert (await admit(data)).jpeg is data


# --- inline or on the pool --------------------------------------------------------------------


async def test_a_small_image_is_admitted_at_once_even_if_the_pool_is_busy(pool):
    with busy(pool):
        assert (await admit(image_bytes(size=(64, 64)), pool)).pixels.shape == (PX, PX, 3)


@pytest.mark.parametrize(
    "large", [LARGE, image_bytes("PNG", (200, 200), noise=True)], ids=["pixels", "bytes"]
)
async def test_a_large_image_waits_for_the_pool_and_not_on_the_loop(pool, large):
    assert len(large) > SMALL_BYTES or large is LARGE
    with busy(pool):
        waiting = asyncio.create_task(Admission(PX, pool).admit(large))
        await asyncio.sleep(0.02)  # the loop is free meanwhile
        assert not waiting.done()
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).pixels.shape == (PX, PX, 3)


async def test_too_many_waiting_images_are_an_overload_and_the_others_are_admitted(pool):
    door = Admission(PX, pool)
    with busy(pool):
        waiting = [asyncio.create_task(door.admit(LARGE)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=f"overload: {MAX_WAITING} images wait"):
            await door.admit(LARGE)
        assert (await door.admit(image_bytes())).jpeg  # a small one needs no place
    assert len(await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)) == MAX_WAITING
    assert (await door.admit(LARGE)).jpeg  # and there is room again


async def test_a_client_that_left_frees_its_place(pool, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING", 1)
    door = Admission(PX, pool)
    with busy(pool):
        waiting = asyncio.create_task(door.admit(LARGE))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        again = asyncio.create_task(door.admit(LARGE))
        await asyncio.sleep(0)
        assert not again.done()
    assert (await asyncio.wait_for(again, PATIENCE_S)).jpeg


async def test_a_damaged_image_frees_its_place(pool, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING", 1)
    door = Admission(PX, pool)
    for _ in range(3):
        with pytest.raises(ImageError):
            await door.admit(cut_jpeg((300, 300)))
    assert (await door.admit(LARGE)).jpeg


# --- damaged images ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (TEXT, "not a JPEG or PNG image"),
        (b"", "not a JPEG or PNG image"),
        (BARE[:20], "not a JPEG or PNG image"),
        (cut_jpeg(), "damaged or truncated"),
        (image_bytes("PNG", noise=True)[:-900], "damaged or truncated"),
        (cut_jpeg((300, 300)), "damaged or truncated"),
        (bytes(9 * 2**20), "at most"),
        (image_bytes("GIF"), "not a JPEG or PNG image"),
    ],
    ids=["text", "nothing", "a header", "half a jpeg", "half a png", "half a photo", "9 MB", "gif"],
)
async def test_a_damaged_image_is_one_sentence(pool, data, sentence):
    with pytest.raises(ImageError, match=sentence):
        await admit(data, pool)


async def test_a_hundred_megapixels_are_refused_by_the_header_alone(pool):
    with pytest.raises(ImageError, match="send at most 16 megapixels"):
        await admit(huge_png(), pool)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_an_image_that_is_cut_anywhere_is_an_image_or_an_image_error(pool, kind):
    door, data = Admission(PX, pool), image_bytes(kind, noise=True)
    refused = 0
    for length in range(0, len(data), 37):
        try:
            assert (await door.admit(data[:length])).pixels.shape == (PX, PX, 3)
        except ImageError:
            refused += 1
    assert refused > len(data) // 37 - 5
