"""A photo and the class of every pixel -> a picture of both with a legend, and a PNG of the class numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.report.pictures import GAP, INK, LINE, PAPER, SWATCH, fitting, painted
from bench.spec import DatasetInfo
from bench.store import replace

if TYPE_CHECKING:
    from PIL.Image import Image

STRENGTH = 0.55
"""How much of a pixel is its class's colour."""

LEAST, MOST, LEGEND = 320, 1600, 240
"""Pixels of the longer side of a picture, and the width of its legend."""


def overlay(path: Path, title: str, image: np.ndarray, guess: np.ndarray, info: DatasetInfo) -> None:
    """Draw `image` uint8 (H, W, 3) under the colours of `guess` uint8 (H, W), beside it the classes that occur.

    They are listed from the largest share of pixels to the smallest.  Large photos are drawn smaller, tiny ones larger.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = guess.shape
    scale = min(MOST / max(height, width), max(1.0, LEAST / max(height, width)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    photo = Image.fromarray(np.ascontiguousarray(image)).resize(size, way)
    picture = Image.blend(photo, painted(guess, size, info), STRENGTH)
    shares = np.bincount(guess.ravel(), minlength=256)[: info.num_classes] / guess.size
    shown = [int(k) for k in np.argsort(-shares, kind="stable") if shares[k] > 0]
    tall = max(size[1], LINE * len(shown))
    sheet = Image.new("RGB", (GAP + size[0] + GAP + LEGEND, GAP + LINE + tall + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    draw.text((GAP, GAP // 2), fitting(title, font, size[0] + LEGEND), INK, font)
    sheet.paste(picture, (GAP, GAP + LINE))
    left = GAP + size[0] + GAP
    for number, k in enumerate(shown):
        top = GAP + LINE + number * LINE
        share = f"{100 * shares[k]:.1f} %" if shares[k] >= 0.0005 else "< 0.1 %"
        mixed = painted(np.full((1, 1), k, np.uint8), (SWATCH, SWATCH), info)
        sheet.paste(mixed, (left, top))
        draw.rectangle((left, top, left + SWATCH - 1, top + SWATCH - 1), outline=INK)
        name = fitting(info.class_names[k], font, LEGEND - SWATCH - 6 - 70)
        draw.text((left + SWATCH + 6, top - 1), name, INK, font)
        draw.text((left + LEGEND - GAP - font.getlength(share), top - 1), share, INK, font)
    _save(path, sheet)


def class_numbers(path: Path, guess: np.ndarray, info: DatasetInfo) -> None:
    """Write `guess` uint8 (H, W) as a PNG whose values are class numbers, its palette the classes' colours."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(guess))
    picture.putpalette([part for colour in info.palette for part in colour])
    _save(path, picture)


def _save(path: Path, picture: Image) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    replace(path, buffer.getvalue())
