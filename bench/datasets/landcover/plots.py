"""An upright canvas -> plots painted on it with plain slices: streets, rows of houses, halls, fields, parks.

Lengths are world units (about 1.2 m); a box is (top, left, bottom, right).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.datasets.landcover.bits import Bits
from bench.datasets.landcover.materials import CROP_COUNT, FIRST_CROP, FIRST_ROOF, NUMBER, ROOFS

CANVAS = 400
"""Side of the canvas: a tile turned by 45 degrees, and bent, stays inside."""

COARSE = 8
"""Side of the cells in which a house asks whether it would stand in water."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Layout:
    """How a place is arranged, whatever it is made of.

    Lengths: `spacing` of streets, `bend` of everything, side of a house's `lot`, width of a field's `parcel`.  Parts
    and probabilities: `jitter` of the spacing, `roads` among the lines between blocks, `cover` of a block with houses,
    `slab` a hall instead, `paved` ground, `river` rather than lake.
    """

    spacing: float
    jitter: float
    roads: float
    bend: float
    lot: float
    cover: float
    slab: float
    parcel: float
    paved: float
    river: float


@dataclass(frozen=True)
class Street:
    """A straight piece of road; `across` the canvas from left to right, else down."""

    at: float
    start: float
    end: float
    width: float
    across: bool

    def box(self, start: float, end: float, side: float, half: float) -> Box:
        """The part from `start` to `end`, `half` wide to both sides of a line `side` off the middle."""
        low, high = self.at + side - half, self.at + side + half
        return (low, start, high, end) if self.across else (start, low, end, high)


class Canvas:
    """The upright map under construction, `scale` pixels a world unit; `sun` is where shadows fall, per unit height."""

    def __init__(self, scale: int, wet: np.ndarray, sun: tuple[float, float]) -> None:
        side = CANVAS * scale
        self.scale, self.wet, self.sun = scale, wet, sun
        self.material = np.full((side, side), NUMBER["verge"], np.uint8)
        self.light = np.full((side, side), 255, np.uint8)

    def pixels(self, box: Box) -> tuple[slice, slice]:
        """The canvas pixels of a box."""
        top, left, bottom, right = box
        scale = self.scale
        rows = slice(max(0, int(top * scale)), max(0, int(bottom * scale)))
        return rows, slice(max(0, int(left * scale)), max(0, int(right * scale)))

    def paint(self, box: Box, material: int) -> None:
        """Covers a box."""
        self.material[self.pixels(box)] = material

    def dry(self, box: Box) -> bool:
        """True when no water will be drawn over the box."""
        top, left, bottom, right = (max(0, int(edge) // COARSE) for edge in box)
        return not self.wet[top : bottom + 1, left : right + 1].any()

    def cast_shadow(self, box: Box, height: float) -> None:
        """Darkens the ground where something `height` tall on the box takes the sun away."""
        steps = max(1, int(height / 3.0 + 0.5))
        for i in range(1, steps + 1):
            down, right = self.sun[0] * height * i / steps, self.sun[1] * height * i / steps
            self.light[self.pixels((box[0] + down, box[1] + right, box[2] + down, box[3] + right))] = 110
        self.light[self.pixels(box)] = 255


def pave(canvas: Canvas, bits: Bits, layout: Layout, streets: list[Street]) -> None:
    """Roads over the plots, narrow ones first, with cars; wide ones are avenues with a middle line."""
    paved = bits.chance(layout.paved)
    for street in sorted(streets, key=lambda street: street.width):
        half = street.width / 2
        kind = "avenue" if street.width > 6 else "street" if paved else "track"
        canvas.paint(street.box(street.start - half, street.end + half, 0, half), NUMBER[kind])
        if street.width > 6:
            canvas.paint(street.box(street.start + half, street.end - half, 0, 0.5), NUMBER["lane"])
        for _ in range(bits.below(7) if paved else bits.below(3)):
            at = bits.uniform(street.start, street.end)
            side = street.width * (0.25 if bits.chance(0.5) else -0.25)
            canvas.paint(street.box(at, at + 3.2, side, 0.8), NUMBER[("car_light", "car_dark")[bits.below(2)]])


def build(canvas: Canvas, bits: Bits, layout: Layout, box: Box) -> None:
    """A block of houses in rows, or of one hall."""
    if bits.chance(layout.paved):
        ground = "pavement" if bits.chance(0.5) else "court"
    else:
        ground = "yard" if bits.chance(0.7) else "dirt"
    canvas.paint(box, NUMBER[ground])
    top, left, bottom, right = box
    colour = bits.below(len(ROOFS))
    if bits.chance(layout.slab):
        inset = 0.5 - 0.5 * math.sqrt(layout.cover)
        tall, wide = (bottom - top) * inset, (right - left) * inset
        _house(canvas, bits, (top + tall, left + wide, bottom - tall, right - wide), 3.5, colour, hall=True)
        return
    longer = bits.uniform(0.8, 2.0)
    down = max(1, int((bottom - top) / layout.lot + 0.5))
    beside = max(1, int((right - left) / (layout.lot * longer) + 0.5))
    height = bits.uniform(2.5, 4.0) if longer < 1.3 else bits.uniform(3.0, 6.5)
    part = math.sqrt(layout.cover / 0.94)  # 0.94: some lots stay empty
    tall, wide = (bottom - top) / down, (right - left) / beside
    for place, (skip, a, b, c, d) in enumerate(bits.uniforms(down * beside, 5).tolist()):
        if skip < 0.06:
            continue
        row, at = divmod(place, beside)
        high, broad = tall * part * (0.85 + 0.3 * a), wide * part * (0.85 + 0.3 * b)
        y, x = top + row * tall + (tall - high) * c, left + at * wide + (wide - broad) * d
        _house(canvas, bits, (y, x, y + high, x + broad), height, colour if bits.chance(0.6) else None)


def _house(canvas: Canvas, bits: Bits, box: Box, height: float, colour: int | None, hall: bool = False) -> None:
    """One roof with its shadow: two slopes when small, flat with lights or machines when large; none in water."""
    roof = FIRST_ROOF + 2 * (bits.below(len(ROOFS)) if colour is None else colour)
    if not canvas.dry(box):
        return
    top, left, bottom, right = box
    canvas.cast_shadow(box, height)
    canvas.paint(box, roof)
    if hall:
        for at in range(int(left) + 3, int(right) - 2, 6):
            canvas.paint((top + 2, at, bottom - 2, at + 1), NUMBER["skylight"])
    elif min(bottom - top, right - left) < 15 and roof < NUMBER["concrete"]:
        wide = right - left > bottom - top
        canvas.paint(
            ((top + bottom) / 2 if wide else top, left if wide else (left + right) / 2, bottom, right), roof + 1
        )
    else:
        canvas.paint((bottom - 1, left, bottom, right), roof + 1)
        canvas.paint((top, right - 1, bottom, right), roof + 1)
        y, x = bits.uniform(top + 1, bottom - 3), bits.uniform(left + 1, right - 3)
        canvas.paint((y, x, min(y + 2, bottom), min(x + 2, right)), NUMBER["unit"])


def till(canvas: Canvas, bits: Bits, layout: Layout, box: Box) -> None:
    """Strips of fields with narrow furrows between them and grass around."""
    top, left, bottom, right = box[0] + 1.5, box[1] + 1.5, box[2] - 1.5, box[3] - 1.5
    canvas.paint((top, left, bottom, right), NUMBER["furrow"])
    common, upright = bits.below(CROP_COUNT), bits.below(2)
    length = layout.parcel * bits.uniform(1.3, 3.0)
    tall, wide = (length, layout.parcel) if upright else (layout.parcel, length)
    y = top
    while y < bottom - 2:
        high = min(tall * bits.uniform(0.7, 1.4), bottom - y)
        x = left
        while x < right - 2:
            broad = min(wide * bits.uniform(0.7, 1.4), right - x)
            crop = common if bits.chance(0.5) else bits.below(CROP_COUNT)
            rows = upright if bits.chance(0.85) else 1 - upright
            canvas.paint((y, x, y + high - 1, x + broad - 1), FIRST_CROP + 2 * crop + rows)
            x += broad
        y += high


def leave_open(canvas: Canvas, bits: Bits, layout: Layout, box: Box) -> None:
    """Grass: a park with two paths where ground is paved, a meadow elsewhere."""
    if not bits.chance(layout.paved):
        canvas.paint(box, NUMBER["meadow"])
        return
    top, left, bottom, right = box
    canvas.paint(box, NUMBER["park"])
    y, x = bits.uniform(top + 3, bottom - 3), bits.uniform(left + 3, right - 3)
    canvas.paint((y, left, y + 1.5, right), NUMBER["pavement"])
    canvas.paint((top, x, bottom, x + 1.5), NUMBER["pavement"])


def dig(canvas: Canvas, bits: Bits, box: Box) -> None:
    """Bare ground: a building site, a quarry, a dry bank."""
    canvas.paint(box, NUMBER[("soil", "sand", "rubble")[bits.below(3)]])
