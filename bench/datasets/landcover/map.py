"""Random numbers and the habits of a place -> the map of one tile: what lies where, and where the sun does not reach.

Streets and plots are painted upright on a canvas; turning and bending it into the tile is one look-up per pixel.
Water and woods do not follow streets and are drawn in the tile itself.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from bench.datasets.landcover.bits import WORLD, Bits, smooth, wood
from bench.datasets.landcover.materials import AGRICULTURE, BACKGROUND, BUILDING, NUMBER, ROAD, column
from bench.datasets.landcover.plots import (
    CANVAS,
    COARSE,
    Box,
    Canvas,
    Layout,
    Street,
    build,
    dig,
    leave_open,
    pave,
    till,
)

SAMPLES = 64
"""Points a side at which shares of water and wood are measured, whatever the tile's size in pixels."""


@dataclass(frozen=True)
class Shares:
    """Part of the ground that each class is meant to cover; the rest is background."""

    building: float
    road: float
    water: float
    barren: float
    forest: float
    agriculture: float


@dataclass(frozen=True)
class Map:
    """One tile, every array (px, px): `material` uint8; float32 `light` that arrives, `shade` of tree crowns, and the
    canvas coordinates `along` and `across` in world units, which rows of crops follow."""

    material: np.ndarray
    light: np.ndarray
    shade: np.ndarray
    along: np.ndarray
    across: np.ndarray


@dataclass(frozen=True)
class Frame:
    """How the canvas lies under the tile: turned by a cosine and a sine, then bent by smooth noise."""

    cosine: float
    sine: float
    bend: np.ndarray

    @classmethod
    def draw(cls, bits: Bits, layout: Layout) -> Frame:
        half = bits.uniform(-0.4, 0.4)  # tangent of half the angle: a rotation without a sine function
        square = half * half
        bend = (bits.uniforms(2, 5, 5) - 0.5) * (2 * layout.bend)
        return cls((1 - square) / (1 + square), 2 * half / (1 + square), bend)

    def coordinates(self, px: int) -> tuple[np.ndarray, np.ndarray]:
        """Canvas coordinates (along, across) of every pixel, float32 world units."""
        at = ((np.arange(px) + 0.5) * (WORLD / px) - WORLD / 2).astype(np.float32)
        cosine, sine = at * np.float32(self.cosine), at * np.float32(self.sine)
        along, across = smooth(self.bend, px) + np.float32(CANVAS / 2)
        along += cosine[None, :] + sine[:, None]
        across += cosine[:, None] - sine[None, :]
        return along, across

    def visible(self, box: Box) -> bool:
        """False for blocks that the tile cannot show; they are not worth painting."""
        down, right = (box[0] + box[2] - CANVAS) / 2, (box[1] + box[3] - CANVAS) / 2
        reach = WORLD / 2 + max(box[2] - box[0], box[3] - box[1]) + 14
        x, y = right * self.cosine - down * self.sine, right * self.sine + down * self.cosine
        return abs(x) < reach and abs(y) < reach

    @property
    def sun(self) -> tuple[float, float]:
        """Where shadows fall on the canvas, (down, right) per unit height: to the lower right of the tile."""
        return 0.62 * self.cosine - 0.5 * self.sine, 0.5 * self.cosine + 0.62 * self.sine


@dataclass(frozen=True)
class Zone:
    """A region with a wandering border that covers `part` of the tile: a wood, a lake or a river.

    `pull` is (down, right): the place of a lake, the direction across a river.
    """

    part: float
    kind: str
    coarse: np.ndarray
    fine: np.ndarray
    pull: tuple[float, float]

    @classmethod
    def draw(cls, bits: Bits, part: float, kind: str) -> Zone:
        coarse, fine = bits.uniforms(1, 5, 5) - 0.5, bits.uniforms(1, 12, 12) - 0.5
        pull = (bits.uniform(-1, 1), bits.uniform(-1, 1))
        return cls(min(part, 0.75), kind, coarse, fine, pull)

    def height(self, px: int) -> np.ndarray:
        """float32 (px, px): low inside, high outside."""
        value: np.ndarray = smooth(self.coarse, px)[0]
        value += smooth(self.fine, px)[0] * np.float32(0.4)
        at = ((np.arange(px) + 0.5) / px - 0.5).astype(np.float32)
        down, right = self.pull
        if self.kind == "river":
            steep = 2 / (math.sqrt(down * down + right * right) + 0.01)
            value *= np.float32(0.4)
            value += (at * np.float32(down * steep))[:, None]
            value += (at * np.float32(right * steep))[None, :] + np.float32(0.2 * (down + right))
            value = np.abs(value)
        elif self.kind == "pond":
            away = at - np.float32(0.4 * down), at - np.float32(0.4 * right)
            value += (away[0] * away[0] * np.float32(2))[:, None]
            value += (away[1] * away[1] * np.float32(2))[None, :]
        return value

    def level(self) -> np.float32:
        """The height below which `part` of the tile lies."""
        ordered = np.sort(self.height(SAMPLES), axis=None)
        return np.float32(ordered[int(self.part * (ordered.size - 1))] if self.part > 0 else -9.0)


_BANK = np.float32(0.05)  # of a zone's height: grass beside water, on which nothing is built
_EDGE = 1.0  # grass between a road and its blocks, in world units
_LABEL = column("label", np.uint8)
_PLANTABLE = np.isin(_LABEL, (BACKGROUND, AGRICULTURE))
_TREES = column("trees")


def draw(bits: Bits, shares: Shares, layout: Layout, px: int) -> Map:
    """The map of one tile of px x px pixels."""
    frame = Frame.draw(bits, layout)
    some = 2 * shares.water * bits.uniform(0.4, 1.7) if bits.chance(0.5) else 0.0
    water = Zone.draw(bits, some, "river" if bits.chance(layout.river) else "pond")
    woods = Zone.draw(bits, shares.forest * bits.uniform(0.0, 2.0), "forest_floor")
    shore = water.level()

    canvas = Canvas(-(-px // WORLD), _wet(frame, water, shore), frame.sun)
    _settle(canvas, bits, shares, layout, frame)

    along, across = frame.coordinates(px)
    rows, columns = (across * canvas.scale).astype(np.intp), (along * canvas.scale).astype(np.intp)
    place = rows * (CANVAS * canvas.scale) + columns
    material = np.take(canvas.material, place)
    light = np.take(canvas.light, place).astype(np.float32) * np.float32(1 / 255)
    _flood(material, light, water, shore)
    material[(woods.height(px) < woods.level()) & _PLANTABLE[material]] = NUMBER["forest_floor"]
    shade = _plant(bits, material, light)
    return Map(material, light, shade, along, across)


def _wet(frame: Frame, water: Zone, shore: np.float32) -> np.ndarray:
    """Boolean map of the canvas in cells of COARSE: where houses would stand in water."""
    wet = np.zeros((CANVAS // COARSE, CANVAS // COARSE), bool)
    along, across = frame.coordinates(SAMPLES)
    under = water.height(SAMPLES) < shore + _BANK
    wet[(across[under] / COARSE).astype(np.intp), (along[under] / COARSE).astype(np.intp)] = True
    return wet


def _flood(material: np.ndarray, light: np.ndarray, water: Zone, shore: np.float32) -> None:
    """Water and its banks over everything but avenues, which bridge it."""
    if water.part <= 0:
        return
    height = water.height(len(material))
    wet = (height < shore) & (material != NUMBER["avenue"]) & (material != NUMBER["lane"])
    bank = (height < shore + _BANK) & (_LABEL[material] != ROAD)
    material[bank] = NUMBER["verge"]
    material[wet] = NUMBER[water.kind]
    light[wet] = 1


def _settle(canvas: Canvas, bits: Bits, shares: Shares, layout: Layout, frame: Frame) -> None:
    """Streets along the canvas, cross streets between each two of them, and a use for every block."""
    width = _road_width(shares, layout)
    uses = _uses(shares, layout)
    lines = _lines(bits, layout)
    streets = []
    for top, bottom in itertools.pairwise(lines):
        if bits.chance(layout.roads):
            streets.append(Street(top, 0.0, CANVAS, width * bits.uniform(0.6, 1.4), across=True))
        for left, right in itertools.pairwise(_lines(bits, layout)):
            use, road, wide = bits.uniform(), bits.chance(layout.roads), width * bits.uniform(0.6, 1.4)
            if not frame.visible((top, left, bottom, right)):
                continue
            if road:
                streets.append(Street(left, top, bottom, wide, across=False))
            edge = _EDGE + width / 2
            box = (max(0.0, top + edge), max(0.0, left + edge), bottom - edge, right - edge)
            if min(box[2] - box[0], box[3] - box[1]) < 6:
                continue
            if use < uses[0]:
                build(canvas, bits, layout, box)
            elif use < uses[1]:
                till(canvas, bits, layout, box)
            elif use < uses[2]:
                dig(canvas, bits, box)
            else:
                leave_open(canvas, bits, layout, box)
    pave(canvas, bits, layout, streets)


def _road_width(shares: Shares, layout: Layout) -> float:
    """Mean width that gives roads their share, with both families of lines `spacing` apart."""
    return 1.08 * shares.road * layout.spacing / (2 * layout.roads)


def _uses(shares: Shares, layout: Layout) -> tuple[float, float, float]:
    """Cumulative chances of a block to be built, tilled, dug up (else open), so that classes meet their shares.

    Edges, and what water and woods will take, are allowed for; the constants were fitted to drawn tiles.
    """
    edges = _road_width(shares, layout) + 2 * _EDGE
    block, field = (((layout.spacing - lost) / layout.spacing) ** 2 for lost in (edges, edges + 3))
    dry = 1 - shares.water
    built = shares.building / (block * layout.cover * 0.97 * dry)
    tilled = shares.agriculture / (field * 0.98 * (1 - shares.forest) * dry)
    dug = shares.barren / (block * dry)
    crowded = max(1.0, built + tilled + dug)
    return built / crowded, (built + tilled) / crowded, (built + tilled + dug) / crowded


def _lines(bits: Bits, layout: Layout) -> list[float]:
    """Positions of parallel lines across the canvas, about `spacing` apart."""
    at, lines = bits.uniform(-layout.spacing, 0.0), []
    while at < CANVAS + layout.spacing:
        lines.append(at)
        at += layout.spacing * bits.uniform(1 - layout.jitter, 1 + layout.jitter)
    return lines


def _plant(bits: Bits, material: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Adds trees where the ground lets them grow, each crown whole, with its shadow; returns the crowns' shade."""
    px = len(material)
    tree, shade, centres = wood(px)
    roll = (bits.below(px), bits.below(px))
    tree, shade = np.roll(tree, roll, (1, 2)), np.roll(shade, roll, (1, 2))
    at = (centres + roll) % px
    grows = _TREES[material[at[:, 0], at[:, 1]]] * 256 > bits.bytes(len(at))
    grows[0] = False
    kind = (NUMBER["crown_a"] + bits.bytes(len(at)) % 3).astype(np.uint8)
    taller = np.take(grows, tree[0])
    seen = np.where(taller, tree[0], tree[1])
    crown = np.take(grows, seen)
    crown &= np.take(_LABEL, material) != BUILDING
    material[crown] = kind[seen[crown]]
    fall = max(1, (2 * px + WORLD // 2) // WORLD)
    fallen = crown[:-fall, :-fall] & ~crown[fall:, fall:]
    light[fall:, fall:][fallen] *= np.float32(0.62)
    return np.where(crown, np.where(taller, shade[0], shade[1]), np.float32(1))
