"""Contact sheets: rows of images of the same size, each row with its caption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mc_models.data.preprocess import Pixels

_GAP_PX = 6
_CAPTION_PX = 24
_PAPER, _INK = (255, 255, 255), (30, 30, 30)


def contact_sheet(rows: Mapping[str, Pixels]) -> Image.Image:
    """Put rows of images uint8 [n, px, px, 3], by caption, below one another."""
    count, px = next(iter(rows.values())).shape[:2]
    row_px = _CAPTION_PX + px + _GAP_PX
    sheet = Image.new("RGB", (_GAP_PX + count * (px + _GAP_PX), row_px * len(rows)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for line, (caption, images) in enumerate(rows.items()):
        top = line * row_px
        draw.text((_GAP_PX, top + _GAP_PX), caption, fill=_INK, font=font)
        for column, pixels in enumerate(images):
            place = (_GAP_PX + column * (px + _GAP_PX), top + _CAPTION_PX)
            sheet.paste(Image.fromarray(pixels), place)
    return sheet


def save_sheet(rows: Mapping[str, Pixels], path: Path) -> None:
    """Write a contact sheet as PNG; create its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows).save(path)
