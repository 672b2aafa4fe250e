"""From an encoded image to the networks' input, and back to JPEG. PIL and numpy only.

Bad input stops here with an `ImageError`: size and header are checked before any pixel is decoded.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    import torch

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 16_000_000
FORMATS = ("JPEG", "PNG")
# grey level that becomes 0, and grey levels per unit: pixels come out at about -2..2
PIXEL_MEAN, PIXEL_SCALE = 127.5, 64.0

Pixels = npt.NDArray[np.uint8]


class ImageError(ValueError):
    """The bytes are not an image that can be classified; the sentence says what to change."""


def decode_image(data: bytes, input_px: int) -> Pixels:
    """Decode JPEG or PNG bytes to uint8 [input_px, input_px, 3] RGB.

    The centre square is scaled so that the short side becomes `input_px`; a short side that
    already has that size is not resampled. Raises ImageError.
    """
    return decode_opened(open_image(data), input_px)


def open_image(data: bytes) -> Image.Image:
    """The image with its header read and checked, no pixel decoded yet. Raises ImageError."""
    if len(data) > MAX_BYTES:
        raise ImageError(f"image has {len(data):,} bytes; send at most {MAX_BYTES:,} (8 MiB)")
    image = _open(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"image is {width} x {height} pixels; send at most {MAX_PIXELS // 1_000_000} megapixels"
        )
    return image


def decode_opened(image: Image.Image, input_px: int) -> Pixels:
    """Decode what `open_image` returned, as `decode_image` does. Raises ImageError."""
    width, height = image.size
    try:
        image.draft("RGB", _draft_size(width, height, input_px))  # JPEG: decode at reduced scale
        rgb = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, IndexError) as error:
        raise ImageError(f"image data is damaged or cut short ({error}); send it again") from error
    return np.asarray(_fit(rgb, input_px))


def _open(data: bytes) -> Image.Image:
    """Parse the header only; a header that promises a decompression bomb is an error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"image has too many pixels; send at most {MAX_PIXELS // 1_000_000} megapixels"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError("not a JPEG or PNG image; send one of these two formats") from error


def _draft_size(width: int, height: int, input_px: int) -> tuple[int, int]:
    """The least size that keeps both sides at or above the input size."""
    factor = max(1.0, min(width, height) / input_px)
    return int(width / factor), int(height / factor)


def _fit(image: Image.Image, input_px: int) -> Image.Image:
    """Cut out the centre square and scale it to `input_px`.

    Cutting first keeps a 1 x 10,000,000 image from becoming an enormous intermediate one.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    if side == input_px:
        return image.crop(box)
    return image.resize((input_px, input_px), Image.Resampling.BILINEAR, box=box)


def encode_jpeg(image: Pixels, quality: int = 90) -> bytes:
    """JPEG bytes of a uint8 [h, w, 3] RGB image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def through_jpeg(
    images: Pixels,
) -> Pixels:
    """Images [n, px, px, 3], each encoded and decoded as on its path to the cloud."""
    px = images.shape[1]
    return np.stack([decode_image(encode_jpeg(image), px) for image in images])


def to_input(image: Pixels) -> torch.Tensor:
    """Network input float32 [1, 3, px, px], normalised, channels_last, of uint8 [px, px, 3]."""
    return batch_input(image[None])


def batch_input(images: Pixels) -> torch.Tensor:
    """Network input float32 [n, 3, px, px], normalised, channels_last, of uint8 [n, px, px, 3]."""
    import torch

    # the permuted view of a dense NHWC tensor already is channels_last
    pixels = torch.from_numpy(np.array(images, dtype=np.float32)).permute(0, 3, 1, 2)
    return pixels.sub_(PIXEL_MEAN).div_(PIXEL_SCALE)
