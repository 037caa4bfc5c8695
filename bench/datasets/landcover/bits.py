"""A key of integers -> random numbers, smooth noise and a wood of tree crowns: the same on every machine.

Raw PCG64 words (a stream numpy promises to keep), integers, and IEEE + - * / and sqrt, which are exact everywhere.
No sine or power, whose last digit is the platform's own, and no sum or matrix product of floats, whose order is.
"""

from __future__ import annotations

import functools

import numpy as np

WORLD = 256
"""Side of the ground that a tile shows, in world units of about 1.2 m, at any number of pixels."""


class Bits:
    """Random numbers that depend on `key` alone."""

    def __init__(self, *key: int) -> None:
        self._raw = np.random.PCG64(np.random.SeedSequence(key)).random_raw

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number in [low, high)."""
        return low + (high - low) * (int(self._raw()) >> 11) / 2.0**53

    def uniforms(self, *shape: int) -> np.ndarray:
        """float64 of this shape in [0, 1)."""
        count = int(np.prod(shape))
        return ((self._raw(count) >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def below(self, count: int) -> int:
        """One of 0..count-1."""
        return int(self.uniform() * count)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def bytes(self, *shape: int) -> np.ndarray:
        """uint8 of this shape, evenly spread."""
        count = int(np.prod(shape))
        return self._raw(-(-count // 8)).astype("<u8").view(np.uint8)[:count].reshape(shape)


def smooth(knots: np.ndarray, px: int) -> np.ndarray:
    """Noise between knots (layers, n + 1, n + 1) -> float32 (layers, px, px), without a crease at the knots."""
    cells = knots.shape[1] - 1
    at = (np.arange(px) + 0.5) * cells / px
    cell = at.astype(np.intp)
    part = at - cell
    weight = (part * part * (3.0 - 2.0 * part)).astype(np.float32)
    knots = knots.astype(np.float32)
    slopes = np.diff(knots, axis=1)
    rows = knots[:, cell] + slopes[:, cell] * weight[:, None]
    steps = np.diff(rows, axis=2)
    blend: np.ndarray = np.take(steps, cell, axis=2)
    blend *= weight
    blend += np.take(rows, cell, axis=2)
    return blend


CROWNS = 34
"""Trees along one side of the wood."""


@functools.lru_cache(maxsize=4)
def wood(px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A wood without edges that every tile cuts trees from: (tree, shade, centres).

    `tree` uint16 (2, px, px) numbers the two tallest trees over each pixel, the taller first, 0 for none: a tree is
    whole when its neighbour is not cut.  `shade` float32 (2, px, px) is their brightness, lit from the upper left;
    `centres` (trees + 1, 2) are (row, column) pixels.  A constant of `px`, so keeping it keeps no state.
    """
    bits = Bits(0x7EE5)
    step = px / CROWNS
    grid = np.stack(np.meshgrid(np.arange(CROWNS), np.arange(CROWNS), indexing="ij"), -1).reshape(-1, 2)
    centres = (grid + 0.15 + 0.7 * bits.uniforms(CROWNS**2, 2)) * step
    radii = (0.42 + 0.42 * bits.uniforms(CROWNS**2)) * step
    tree = np.zeros((2, px, px), np.uint16)
    shade = np.ones((2, px, px), np.float32)
    for number in np.argsort(radii, kind="stable"):
        (row, column), radius = centres[number], radii[number]
        rows = np.arange(int(row - radius) - 1, int(row + radius) + 2)
        columns = np.arange(int(column - radius) - 1, int(column + radius) + 2)
        down, right = (rows[:, None] + 0.5 - row) / radius, (columns[None, :] + 0.5 - column) / radius
        inside = down * down + right * right < 1.0
        height = np.sqrt(np.where(inside, 1.0 - down * down - right * right, 0.0))
        lit = (0.62 + 0.36 * height - 0.26 * (down + right)).astype(np.float32)
        where = np.ix_(rows % px, columns % px)
        for storeys, value in ((tree, np.uint16(number + 1)), (shade, lit)):
            storeys[1][where] = np.where(inside, storeys[0][where], storeys[1][where])
            storeys[0][where] = np.where(inside, value, storeys[0][where])
    tree.flags.writeable = shade.flags.writeable = False
    return tree, shade, np.vstack([[0, 0], centres.astype(np.intp)])
