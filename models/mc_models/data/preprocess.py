"""From an encoded image to the networks' input, and back to JPEG, with PIL and numpy.

Bad input raises an `ImageError`: size and header are checked before any pixel is decoded.
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
# grey level that becomes 0, and grey levels per unit: inputs are within about -2..2
PIXEL_MEAN, PIXEL_SCALE = 127.5, 64.0

Pixels = npt.NDArray[np.uint8]


class ImageError(ValueError):
    """The bytes are not a usable image; the sentence says what to change."""


def decode_image(data: bytes, input_px: int) -> Pixels:
    """Decode JPEG or PNG bytes to uint8 [input_px, input_px, 3] RGB.

    The centre square is scaled to `input_px`; it is not resampled if it already has that size.
    Raises ImageError.
    """
    return decode_opened(open_image(data), input_px)


def open_image(data: bytes) -> Image.Image:
    """Read and check the header; no pixel is decoded yet. Raises ImageError."""
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
    """Decode an image that `open_image` returned, like `decode_image`. Raises ImageError."""
    width, height = image.size
    try:
        image.draft("RGB", _draft_size(width, height, input_px))  # JPEG: decode at reduced scale
        rgb = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, IndexError) as error:
        raise ImageError(f"image data is damaged or truncated ({error}); send it again") from error
    return np.asarray(_fit(rgb, input_px))


def _open(data: bytes) -> Image.Image:
    """Parse the header only; refuse a header that announces a decompression bomb."""
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
    """The smallest size with both sides at or above the input size."""
    factor = max(1.0, min(width, height) / input_px)
    return int(width / factor), int(height / factor)


def _fit(image: Image.Image, input_px: int) -> Image.Image:
    """Crop the centre square and scale it to `input_px`.

    Cropping first avoids an enormous intermediate image for inputs such as 1 x 10,000,000.
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
    """Network input float32 [1, 3, px, px], normalised, channels_last, from uint8 [px, px, 3]."""
    return batch_input(image[None])


def batch_input(images: Pixels) -> torch.Tensor:
    """Network input float32 [n, 3, px, px], normalised, channels_last, from [n, px, px, 3]."""
    import torch

    # the permuted view of a dense NHWC tensor is already channels_last
    pixels = torch.from_numpy(np.array(images, dtype=np.float32)).permute(0, 3, 1, 2)
    return pixels.sub_(PIXEL_MEAN).div_(PIXEL_SCALE)
