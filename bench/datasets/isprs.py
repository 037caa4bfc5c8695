"""What Potsdam and Vaihingen share: six colours, tiles by number, and crops as mmsegmentation makes them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from bench.datasets.colours import DecodedFolder, colour_table, read_colours
from bench.datasets.folders import list_files, samples, unlabelled
from bench.datasets.reading import data_error, label_table, read_mask, to_labels
from bench.spec import IGNORE, DatasetInfo

TIFF = (".tif", ".tiff")
PNG = (".png",)
Labels = Literal["all", "no_boundary"]

COLOURS = {
    (255, 255, 255): 0,
    (0, 0, 255): 1,
    (0, 255, 255): 2,
    (0, 255, 0): 3,
    (255, 255, 0): 4,
    (255, 0, 0): 5,
}
"""Impervious surface, building, low vegetation, tree, car, clutter: mmsegmentation's order."""

_BLACK = "black marks an eroded boundary, which `labels: no_boundary` ignores"
_REMEDY = f"{_BLACK}; otherwise take this label from another archive of the publisher"


def tiles(
    info: DatasetInfo,
    domain: str,
    split: str,
    folders: tuple[Path, Path],
    wanted: Collection[str],
    tile: Callable[[Path], str],
    labels: Labels,
) -> DecodedFolder:
    """Whole tiles: the `wanted` ones of `folders` (photos, masks), TIFF; `tile` reads a tile's number from a file.

    Raises BenchError when one of them is not there: a split short of a tile would give other numbers.
    """
    table = colour_table(COLOURS if labels == "all" else {**COLOURS, (0, 0, 0): IGNORE})
    photos, masks = ([path for path in list_files(folder, TIFF) if tile(path) in wanted] for folder in folders)
    there = {tile(path) for path in photos}
    missing = [number for number in wanted if number not in there]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise data_error(f"tile {missing[0]} is not there{more}", folders[0], "unpack the archives again")
    found = unlabelled(photos, tile) if split == "target" else samples(photos, masks, tile)
    return DecodedFolder(info, domain, split, found, table, partial(read_colours, table=table, remedy=_REMEDY))


def crops(info: DatasetInfo, domain: str, split: str, root: Path, labels: Labels) -> DecodedFolder:
    """Crops in img_dir/ and ann_dir/ with {train,val}: 0 on disk is black, k in 1..6 is class k-1."""
    table = label_table({**{k: k - 1 for k in range(1, 7)}, **({} if labels == "all" else {0: IGNORE})})
    part = "train" if split in ("train", "target") else "val"
    photos = list_files(root / "img_dir" / part, PNG)
    if not photos:
        raise data_error("holds no images", root / "img_dir" / part, "convert the tiles again")
    found = unlabelled(photos) if split == "target" else samples(photos, list_files(root / "ann_dir" / part, PNG))
    return DecodedFolder(info, domain, split, found, table, partial(_by_index, table=table))


def _by_index(path: Path, size: tuple[int, int], *, table: np.ndarray) -> np.ndarray:
    values = read_mask(path, size, ("L", "P"), "crops hold class numbers; convert the tiles again")
    return to_labels(values, table, path, _BLACK)
