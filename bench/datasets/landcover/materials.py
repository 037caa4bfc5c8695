"""What the ground of a `landcover` tile is made of: colour, texture and class of every material, by number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BACKGROUND, BUILDING, ROAD, WATER, BARREN, FOREST, AGRICULTURE = range(7)


class Material(NamedTuple):
    """`grain`, `blotch`, `rows` are relative contrasts of fine, coarse and striped texture; `period` in world units.

    `trees` is the chance that a tree stands there; `green` how far the seasons change it.
    """

    name: str
    label: int
    rgb: tuple[int, int, int]
    grain: float
    blotch: float
    trees: float = 0.0
    green: float = 0.0
    rows: float = 0.0
    period: float = 1.0
    upright: bool = False


_GROUND = [
    Material("meadow", BACKGROUND, (116, 124, 80), 0.10, 0.22, 0.07, 0.8),
    Material("park", BACKGROUND, (98, 116, 68), 0.08, 0.16, 0.22, 1.0),
    Material("verge", BACKGROUND, (96, 110, 66), 0.12, 0.20, 0.16, 0.9),
    Material("yard", BACKGROUND, (124, 120, 86), 0.12, 0.24, 0.14, 0.6),
    Material("pavement", BACKGROUND, (158, 153, 145), 0.06, 0.12, 0.03),
    Material("court", BACKGROUND, (134, 130, 124), 0.07, 0.14, 0.05),
    Material("dirt", BACKGROUND, (150, 134, 110), 0.09, 0.16, 0.06),
    Material("street", ROAD, (112, 112, 115), 0.04, 0.08),
    Material("avenue", ROAD, (122, 121, 121), 0.04, 0.07),
    Material("lane", ROAD, (196, 194, 188), 0.03, 0.05),
    Material("track", ROAD, (170, 160, 142), 0.05, 0.10),
    Material("car_light", ROAD, (214, 214, 216), 0.02, 0.0),
    Material("car_dark", ROAD, (62, 64, 72), 0.02, 0.0),
    Material("river", WATER, (66, 86, 84), 0.02, 0.07),
    Material("pond", WATER, (52, 72, 66), 0.02, 0.06),
    Material("soil", BARREN, (176, 138, 102), 0.09, 0.24),
    Material("sand", BARREN, (194, 174, 142), 0.08, 0.20),
    Material("rubble", BARREN, (164, 150, 134), 0.13, 0.24),
    Material("forest_floor", FOREST, (44, 58, 36), 0.16, 0.20, 0.94, 0.4),
    Material("crown_a", FOREST, (64, 88, 46), 0.14, 0.10, green=1.0),
    Material("crown_b", FOREST, (52, 76, 44), 0.14, 0.10, green=0.8),
    Material("crown_c", FOREST, (82, 100, 52), 0.14, 0.10, green=1.3),
    Material("furrow", AGRICULTURE, (96, 96, 64), 0.12, 0.14, 0.01, 0.7),
    Material("unit", BUILDING, (182, 182, 180), 0.04, 0.0),
    Material("skylight", BUILDING, (198, 208, 214), 0.03, 0.0),
]

ROOFS = {
    "tile_red": (152, 76, 60),
    "tile_brown": (128, 98, 82),
    "terracotta": (178, 112, 84),
    "sheet_blue": (76, 118, 168),
    "concrete": (148, 148, 148),
    "concrete_pale": (186, 184, 178),
    "white": (212, 211, 208),
    "slate": (88, 90, 98),
}
"""Roof colours; each has a sunny and a shaded side."""

_CROPS = [
    ("sprout", (104, 124, 76), 0.10, 4.0, 1.0),
    ("maize", (74, 102, 60), 0.13, 5.0, 1.0),
    ("wheat", (172, 156, 108), 0.05, 3.0, 0.7),
    ("stubble", (154, 140, 110), 0.10, 4.0, 0.4),
    ("plough", (122, 100, 84), 0.12, 5.0, 0.0),
    ("harrow", (108, 94, 82), 0.09, 3.4, 0.0),
    ("rape", (162, 156, 84), 0.06, 4.0, 0.8),
    ("paddy", (90, 110, 88), 0.06, 3.0, 0.9),
    ("fallow", (132, 122, 102), 0.08, 6.0, 0.3),
    ("orchard", (94, 104, 70), 0.28, 6.0, 1.0),
]


def _materials() -> tuple[Material, ...]:
    every = list(_GROUND)
    for name, sunny in ROOFS.items():
        shaded = (sunny[0] * 3 // 4, sunny[1] * 3 // 4, sunny[2] * 3 // 4 + 4)
        every.append(Material(name, BUILDING, sunny, 0.04, 0.05))
        every.append(Material(name + "_shaded", BUILDING, shaded, 0.04, 0.05))
    for name, rgb, rows, period, green in _CROPS:
        for upright in (False, True):
            every.append(
                Material(name, AGRICULTURE, rgb, 0.07, 0.15, 0.003, green, rows, period, upright),
            )
    return tuple(every)


MATERIALS = _materials()
"""A material's number is its place here: a byte per pixel holds the whole map."""

NUMBER = {material.name: i for i, material in reversed(list(enumerate(MATERIALS)))}
"""Name -> number; of a roof the sunny side, of a crop the sideways rows (the number after it: the other)."""

FIRST_ROOF, FIRST_CROP = NUMBER["tile_red"], NUMBER["sprout"]
CROP_COUNT = len(_CROPS)


def column(field: str, dtype: type = np.float32) -> np.ndarray:
    """One property of all materials, (256,) or (256, 3), to be looked up by number."""
    values: np.ndarray = np.array([getattr(material, field) for material in MATERIALS], dtype)
    return np.concatenate([values, np.zeros((256 - len(values), *values.shape[1:]), dtype)])
