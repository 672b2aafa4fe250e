"""Admission: its result, the thread that does the work, and metadata that never leaves."""

import asyncio
import contextlib
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mc_models.data.preprocess import ImageError
from PIL import Image, PngImagePlugin

from edge_agent import admission
from edge_agent.admission import MAX_WAITING, Admission, Overloaded
from tests.edge_agent.edge_rig import PATIENCE_S
from tests.edge_agent.made_images import TEXT, cut_jpeg, huge_png, image_bytes

PX = 32
SECRET = b"52.5200N 13.4050E"
LARGE = image_bytes(size=(300, 300))
"""An image of another size than the nets' input."""


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


def grey_jpeg():
    """Return a JPEG of one component."""
    buffer = io.BytesIO()
    Image.new("L", (PX, PX)).save(buffer, "JPEG")
    return buffer.getvalue()


def twice_framed():
    """Return a JPEG with a second frame of another size."""
    whole = image_bytes(size=(PX, PX))
    at = whole.index(b"\xff\xc0")
    frame = whole[at : at + 19]
    return whole[:at] + frame[:5] + b"\x7f\xff" + frame[7:] + whole[at:]


def with_segment(jpeg, marker, content):
    """Return the JPEG with one more segment after its start."""
    return jpeg[:2] + segment(marker, content) + jpeg[2:]


def segment(marker, content):
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


FOREVER_NS = 2**63


async def admit(data, pool=None, door=None, due_ns=FOREVER_NS):
    """Admit an image as the agent does: undecoded if that is possible, else over the pool."""
    door = door or Admission(PX, pool)
    return door.at_once(data) or await asyncio.wait_for(decoding(door, data, due_ns), PATIENCE_S)


def decoding(door, data, due_ns=FOREVER_NS):
    """Start to decode an image; return the future of the result, which may be cancelled."""
    waiting = asyncio.get_running_loop().create_future()

    def then(result):
        if isinstance(result, Exception):
            waiting.set_exception(result)
        else:
            waiting.set_result(result)

    job = door.decode(data, True, due_ns, then)
    waiting.add_done_callback(lambda future: future.cancelled() and job.cancel())
    return waiting


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
async def test_a_jpeg_of_another_colour_space_becomes_rgb(pool, mode):
    buffer = io.BytesIO()
    Image.new(mode, (PX, PX)).save(buffer, "JPEG")
    image = await admit(buffer.getvalue(), pool)
    assert image.pixels.shape == (PX, PX, 3)
    assert Image.open(io.BytesIO(image.jpeg)).mode == "RGB"


async def test_a_png_with_transparency_becomes_rgb(pool):
    buffer = io.BytesIO()
    Image.new("RGBA", (PX, PX), (10, 20, 30, 0)).save(buffer, "PNG")
    assert (await admit(buffer.getvalue(), pool)).pixels.shape == (PX, PX, 3)


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


async def check_no_metadata_is_left(data, pool):
    assert SECRET in data
    image = await admit(data, pool)
    assert SECRET not in image.jpeg
    assert Image.open(io.BytesIO(image.jpeg)).size == (PX, PX)


@pytest.mark.parametrize("kind", TELLING)
async def test_metadata_never_leaves(pool, kind):
    await check_no_metadata_is_left(TELLING[kind], pool)


@pytest.mark.parametrize(
    "data", [BARE[:-2] + segment(0xFE, SECRET) + BARE[-2:], BETWEEN_SCANS], ids=["last", "between"]
)
async def test_metadata_behind_a_scan_never_leaves(pool, data):
    await check_no_metadata_is_left(data, pool)


async def test_a_bare_progressive_jpeg_is_sent_unchanged():
    data = image_bytes(size=(PX, PX), progressive=True, noise=True)
    assert (await admit(data)).jpeg is data


# --- at once or on the pool --------------------------------------------------------------------


async def test_a_small_bare_jpeg_is_admitted_undecoded():
    image = Admission(PX, None).at_once(BARE)
    assert (image.jpeg, image.is_decoded) == (BARE, False)
    assert image.pixels.shape == (PX, PX, 3)
    assert image.is_decoded


@pytest.mark.parametrize(
    "other",
    [image_bytes("PNG"), image_bytes(size=(33, 32)), image_bytes(size=(PX, PX), comment=SECRET),
     BARE[:-2], TEXT, b"", grey_jpeg(), twice_framed()],
    ids=["png", "size", "comment", "cut", "text", "nothing", "grey", "two frames"],
)  # fmt: skip
async def test_nothing_else_is(other):
    assert Admission(PX, None).at_once(other) is None


async def test_an_image_whose_pixels_cannot_be_decoded_says_so():
    broken = BARE.replace(b"\xff\xdb", b"\xff\xdd", 1)  # a quantisation table is missing
    image = Admission(PX, None).at_once(broken)
    with pytest.raises(ImageError, match="damaged"):
        image.pixels  # noqa: B018
    assert "damaged" in image.damage


async def test_an_image_waits_for_the_pool_and_not_on_the_loop(pool):
    with busy(pool):
        waiting = decoding(Admission(PX, pool), LARGE)
        await asyncio.sleep(0.02)  # the loop is free meanwhile
        assert not waiting.done()
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).pixels.shape == (PX, PX, 3)


async def test_too_many_waiting_images_are_an_overload_and_the_others_are_admitted(pool):
    door = Admission(PX, pool)
    with busy(pool):
        waiting = [decoding(door, LARGE) for _ in range(MAX_WAITING)]
        with pytest.raises(Overloaded, match=f"overload: {MAX_WAITING} images wait"):
            decoding(door, LARGE)
        assert door.at_once(BARE)  # which needs no place
    assert len(await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)) == MAX_WAITING
    assert (await admit(LARGE, door=door)).jpeg  # and there is room again


async def test_too_many_waiting_bytes_are_an_overload(pool, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING_BYTES", 2 * len(LARGE))
    door = Admission(PX, pool)
    with busy(pool):
        waiting = [decoding(door, LARGE) for _ in range(2)]
        with pytest.raises(Overloaded, match="bytes wait to be decoded"):
            decoding(door, LARGE)
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)


async def test_an_image_that_would_wait_longer_than_its_task_is_an_overload(pool):
    door = Admission(PX, pool)
    await admit(LARGE, door=door)  # measures the time
    with busy(pool):
        waiting = decoding(door, LARGE)
        with pytest.raises(Overloaded, match="ms to be decoded"):
            decoding(door, LARGE, time.monotonic_ns() + 1)
    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_an_image_whose_task_is_over_is_not_decoded(pool):
    with pytest.raises(Overloaded, match="was due"):
        await admit(LARGE, pool, due_ns=time.monotonic_ns())


async def test_a_client_that_left_frees_its_place(pool, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING", 1)
    door = Admission(PX, pool)
    with busy(pool):
        waiting = decoding(door, LARGE)
        waiting.cancel()
        await asyncio.sleep(0.01)
        again = decoding(door, LARGE)
        await asyncio.sleep(0.01)
        assert not again.done()
    assert (await asyncio.wait_for(again, PATIENCE_S)).jpeg


async def test_a_damaged_image_frees_its_place(pool, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING", 1)
    door = Admission(PX, pool)
    for _ in range(3):
        with pytest.raises(ImageError):
            await admit(cut_jpeg((300, 300)), door=door)
    assert (await admit(LARGE, door=door)).jpeg


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
            assert (await admit(data[:length], door=door)).pixels.shape == (PX, PX, 3)
        except ImageError:
            refused += 1
    assert refused > len(data) // 37 - 5
