"""landcover: drawn aerial tiles of a town and the country around it, with exact labels, out of nothing.

Source     The harness's own generator: no files, no download.  Class names, palette and the pair urban/rural follow
           LoveDA (Wang et al. 2021, arXiv 2110.08733), so that a sweep written for one runs on the other.
Licence    That of the project; the tiles are synthetic, and every record made from them says so.
Images     tile_px x tile_px RGB, 256 by default; train 256, val 32, test 64 tiles per domain, any number on request.
           A tile shows the same ground (about 300 m) at every tile_px from 32 to 1024: fewer pixels see it coarser.
Splits     train, val and test are different tiles; target = the tiles of train without their labels.
Labels     0..6 background, building, road, water, barren, forest, agriculture; a missing corner is black and IGNORE.
Dials      appearance, label_shift, layout: how far the two domains differ in colour, air, season and camera; in class
           shares; in the pattern of streets, plots and fields.  At 0 both domains are drawn from one distribution.
Promise    A tile depends on (seed, domain, split, index) and the options alone, and is the same on every machine:
           see `bits.py`.  GENERATOR is raised whenever a pixel changes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.datasets.folders import SPLITS, check_request
from bench.datasets.landcover.bits import Bits
from bench.datasets.landcover.map import Shares, draw
from bench.datasets.landcover.materials import column
from bench.datasets.landcover.photo import Look, photograph
from bench.datasets.landcover.plots import Layout
from bench.datasets.loveda import CLASSES, COLOURS
from bench.datasets.reading import no_labels
from bench.spec import IGNORE, BenchError, DatasetInfo, canonical_json

GENERATOR = 1
"""Raised whenever any pixel or label changes: it is part of the digest, and so of what a record was made from."""

INFO = DatasetInfo(
    name="landcover",
    label="Land cover (synthetic)",
    domains=("urban", "rural"),
    class_names=CLASSES,
    palette=COLOURS,
    licence="that of the project",
    source="drawn by the harness's own generator; classes as LoveDA's",
    needs_files=False,
    synthetic=True,
)

_SHARES = {
    "urban": Shares(building=0.24, road=0.16, water=0.05, barren=0.05, forest=0.10, agriculture=0.06),
    "rural": Shares(building=0.04, road=0.05, water=0.08, barren=0.05, forest=0.22, agriculture=0.40),
}
_LAYOUT = {
    "urban": Layout(
        spacing=58, jitter=0.28, roads=1.0, bend=3, lot=19, cover=0.50, slab=0.2, parcel=12, paved=0.75, river=0.4
    ),
    "rural": Layout(
        spacing=74, jitter=0.4, roads=0.55, bend=13, lot=17, cover=0.36, slab=0.06, parcel=22, paved=0.1, river=0.6
    ),
}
_LOOK = {
    "urban": Look(haze=0.16, warmth=-0.06, saturation=0.85, gain=1.06, season=-0.1, blur=0.18, noise=2.0, shadow=0.9),
    "rural": Look(haze=0.02, warmth=0.05, saturation=1.1, gain=0.92, season=0.25, blur=0.10, noise=4.0, shadow=0.7),
}
_LABEL = column("label", np.uint8)
_NO_DATA = 0.12  # part of the tiles that miss a corner

Traits = TypeVar("Traits", Shares, Layout, Look)


@dataclass(frozen=True)
class Landcover:
    """Tiles of one domain and split; every tile is drawn anew at each `read`, from its number alone."""

    domain: str
    split: str
    tile_px: int
    seed: int
    appearance: float
    label_shift: float
    layout: float
    tiles: int
    info: DatasetInfo = INFO

    def __len__(self) -> int:
        return self.tiles

    def image_name(self, index: int) -> str:
        """`urban_train_0012`; a target tile bears the name of the train tile that it is."""
        return f"{self.domain}_{self._drawn_as}_{index:04d}"

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (px, px, 3) RGB, labels uint8 (px, px)); the same numbers at every call."""
        if not 0 <= index < self.tiles:
            raise IndexError(index)
        bits = Bits(self.seed, self.info.domains.index(self.domain), SPLITS.index(self._drawn_as), index)
        shares = between(_SHARES, self.domain, self.label_shift)
        ground = draw(bits, shares, between(_LAYOUT, self.domain, self.layout), self.tile_px)
        image = photograph(bits, ground, between(_LOOK, self.domain, self.appearance))
        labels: np.ndarray = _LABEL[ground.material]
        if bits.chance(_NO_DATA):
            gone = _corner(bits, self.tile_px)
            image[gone] = 0
            labels[gone] = IGNORE
        return image, no_labels(image) if self.split == "target" else labels

    def digest(self) -> str:
        """sha256 over the generator's number and everything a tile depends on; draws nothing."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "info"}
        return hashlib.sha256(canonical_json({"landcover": GENERATOR, **facts})).hexdigest()

    @property
    def _drawn_as(self) -> str:
        return "train" if self.split == "target" else self.split


def landcover(
    root: Path | None,
    domain: str,
    split: str,
    *,
    tile_px: int = 256,
    seed: int = 0,
    appearance: float = 1.0,
    label_shift: float = 1.0,
    layout: float = 1.0,
    train_tiles: int = 256,
    val_tiles: int = 32,
    test_tiles: int = 64,
) -> Landcover:
    """Synthetic aerial tiles of town and country with LoveDA's 7 classes; needs no files.

    `root` is not used.  Raises BenchError for options out of range.
    """
    check_request(INFO, domain, split)
    for key, value in (("appearance", appearance), ("label_shift", label_shift), ("layout", layout)):
        if not 0 <= value <= 1:
            raise _out_of_range(key, value, "0 (domains alike) to 1")
    tiles = {"train": train_tiles, "target": train_tiles, "val": val_tiles, "test": test_tiles}
    for key, count in (("train_tiles", train_tiles), ("val_tiles", val_tiles), ("test_tiles", test_tiles)):
        if not 1 <= count <= 1_000_000:
            raise _out_of_range(key, count, "1 to 1000000")
    if not 32 <= tile_px <= 1024:
        raise _out_of_range("tile_px", tile_px, "32 to 1024")
    if not 0 <= seed < 2**32:
        raise _out_of_range("seed", seed, "0 to 2**32 - 1")
    return Landcover(domain, split, tile_px, seed, float(appearance), float(label_shift), float(layout), tiles[split])


def _out_of_range(key: str, value: float, allowed: str) -> BenchError:
    return BenchError(f"{value} is out of range", remedy=f"choose {allowed}", key=key)


def between(traits: dict[str, Traits], domain: str, dial: float) -> Traits:
    """The domain's traits, drawn towards the middle of both domains; there at `dial` 0, its own at 1."""
    own = traits[domain]
    mixed = {}
    for field in dataclasses.fields(own):
        both = sum(getattr(t, field.name) for t in traits.values()) / 2
        mixed[field.name] = both + dial * (getattr(own, field.name) - both)
    return type(own)(**mixed)


def _corner(bits: Bits, px: int) -> np.ndarray:
    """Boolean (px, px): a corner beyond the edge of the flight strip, cut off by a straight line."""
    at = (np.arange(px) + 0.5) / px
    down, right = (at if bits.chance(0.5) else at[::-1] for _ in range(2))
    slope, reach = bits.uniform(0.05, 1.0), bits.uniform(0.08, 0.3)
    if bits.chance(0.5):
        down = down * slope
    else:
        right = right * slope
    gone: np.ndarray = down[:, None] + right[None, :] < reach
    return gone
