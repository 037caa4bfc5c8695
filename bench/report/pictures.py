"""Images with labels and predictions -> one PNG with a legend.  Pillow and numpy only."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.spec import IGNORE, DatasetInfo, printable
from bench.store import replace

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont
    Panel = tuple[str, np.ndarray, np.ndarray, np.ndarray]
    Sample = tuple[str, np.ndarray, np.ndarray]

WIDTH, GAP, LINE, SWATCH = 360, 12, 24, 16
"""Pixels: one picture, the space between two, one line of text, one square of the legend."""

INK, PAPER, HATCH = (32, 32, 32), (255, 255, 255), (130, 130, 130)


def panels(path: Path, rows: Sequence[Panel], info: DatasetInfo) -> None:
    """Write `image | label | prediction` for each row, with a legend of the classes of `info`.

    A row is (title, image uint8 (H, W, 3), labels uint8 (h, w), prediction uint8 (h, w)); sizes may differ, labels and
    predictions are scaled without mixing classes.  Void is black with grey hatching; so is any label without a class.
    """
    pictures = [(title, _side_by_side(image, (labels, guess), info)) for title, image, labels, guess in rows]
    _sheet(path, [[picture] for picture in pictures], ("image", "label", "prediction"), info)


def contact_sheet(path: Path, samples: Sequence[Sample], info: DatasetInfo, *, pairs: int = 2) -> None:
    """Write images beside their coloured labels, `pairs` of them in a row, with a legend of the classes of `info`.

    A sample is (title, image uint8 (H, W, 3), labels uint8 (h, w)).
    """
    pictures = [(title, _side_by_side(image, (labels,), info)) for title, image, labels in samples]
    rows = [pictures[first : first + pairs] for first in range(0, len(pictures), pairs)]
    _sheet(path, rows, ("image", "label") * min(pairs, len(pictures)), info)


def _sheet(
    path: Path, rows: Sequence[Sequence[tuple[str, Sequence[Image]]]], columns: Sequence[str], info: DatasetInfo
) -> None:
    """Rows of titled groups of pictures, each WIDTH wide, under the names of the columns and above the legend."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(15)
    width = GAP + len(columns) * (WIDTH + GAP)
    legend = _legend([*enumerate(info.class_names), (IGNORE, "void (not scored)")], font, width)
    heights = [max(picture.height for _, group in row for picture in group) for row in rows]
    height = GAP + LINE + sum(LINE + tallest + GAP for tallest in heights) + LINE * len(legend) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        told = f"{name} (synthetic data)" if info.synthetic and name == "image" else name
        draw.text((GAP + column * (WIDTH + GAP), GAP), told, INK, font)
    top = GAP + LINE
    for row, tallest in zip(rows, heights, strict=True):
        left = GAP
        for title, group in row:
            draw.text((left, top), fitting(title, font, len(group) * (WIDTH + GAP) - GAP), INK, font)
            for picture in group:
                sheet.paste(picture, (left, top + LINE))
                left += WIDTH + GAP
        top += LINE + tallest + GAP
    for number, line in enumerate(legend):
        _draw_legend(sheet, draw, line, top + number * LINE, info, font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    replace(path, buffer.getvalue())


def _side_by_side(image: np.ndarray, maps: Sequence[np.ndarray], info: DatasetInfo) -> list[Image]:
    """The photo and its coloured label maps, all WIDTH wide and as high as the labels' shape asks for."""
    from PIL import Image

    size = (WIDTH, max(1, round(WIDTH * maps[0].shape[0] / maps[0].shape[1])))
    # Small pictures stay sharp: smoothing would show detail that the network never saw.
    way = Image.Resampling.LANCZOS if image.shape[1] > WIDTH else Image.Resampling.NEAREST
    photo = Image.fromarray(np.ascontiguousarray(image)).resize(size, way)
    return [photo, *(painted(labels, size, info) for labels in maps)]


def painted(labels: np.ndarray, size: tuple[int, int], info: DatasetInfo) -> Image:
    """Labels uint8 (h, w) in the colours of their classes, as an image of `size` (width, height)."""
    from PIL import Image

    scaled = np.asarray(Image.fromarray(np.ascontiguousarray(labels)).resize(size, Image.Resampling.NEAREST))
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: info.num_classes] = info.palette
    picture = colours[scaled]
    rows, columns = np.indices(scaled.shape)
    picture[(scaled >= info.num_classes) & ((rows + columns) % 8 < 2)] = HATCH
    return Image.fromarray(picture)


def fitting(text: str, font: Font, width: float) -> str:
    """`text` on one line, shortened in its middle until it fits."""
    text = printable(text)
    limit = len(text)
    while limit > 8 and font.getlength(text) > width:
        limit -= 1
        text = printable(text, limit=limit)
    return text


def _legend(classes: Sequence[tuple[int, str]], font: Font, width: int) -> list[list[tuple[int, str, int]]]:
    """Lines of (class, name, left edge) that fit below the pictures."""
    lines: list[list[tuple[int, str, int]]] = [[]]
    left = GAP
    for number, name in classes:
        name = fitting(name, font, WIDTH)
        step = SWATCH + 6 + round(font.getlength(name)) + 2 * GAP
        if lines[-1] and left + step > width:
            lines.append([])
            left = GAP
        lines[-1].append((number, name, left))
        left += step
    return lines


def _draw_legend(
    sheet: Image, draw: ImageDraw, line: Sequence[tuple[int, str, int]], top: int, info: DatasetInfo, font: Font
) -> None:
    for number, name, left in line:
        sheet.paste(painted(np.full((1, 1), number, dtype=np.uint8), (SWATCH, SWATCH), info), (left, top))
        draw.rectangle((left, top, left + SWATCH - 1, top + SWATCH - 1), outline=INK)
        draw.text((left + SWATCH + 6, top - 1), name, INK, font)
