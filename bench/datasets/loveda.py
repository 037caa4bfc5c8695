"""LoveDA: aerial land cover of three Chinese cities and the country around them.

Source     Wang et al.: LoveDA: a remote sensing land-cover dataset for domain adaptive semantic segmentation,
           NeurIPS 2021 Datasets and Benchmarks, arXiv 2110.08733; Zenodo 5706578.
Licence    CC BY-NC-SA 4.0, academic use only; Google Earth terms of use apply.
Images     1024x1024 RGB PNG, 0.3 m a pixel.  Train: urban 1156, rural 1366.  Val: urban 677, rural 992.  The 1796 of
           Test have no public masks and are not read.
Layout     {Train,Val}/{Urban,Rural}/{images_png,masks_png}/N.png; an unpacking as Train/Train/... is accepted too.
Splits     train = Train.  test = Val, the labelled images that are scored here.  val = Val as well: it is there to
           watch a run, and must never choose a model, for that would be choosing on the test images.
           target = images of Train (`protocol: holdout`), or of Val (`protocol: official`, the benchmark's own
           unsupervised rule, which adapts to the very images it is scored on).
Labels     0 on disk is no-data -> IGNORE; k in 1..7 -> class k-1; background is a scored class; else an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bench.datasets.folders import (
    MASKS,
    PHOTOS,
    FolderDataset,
    check_request,
    list_files,
    not_found,
    samples,
    unlabelled,
)
from bench.datasets.reading import data_error, label_table
from bench.spec import IGNORE, DatasetInfo

CLASSES = ("background", "building", "road", "water", "barren", "forest", "agriculture")
COLOURS = (
    (255, 255, 255),
    (255, 0, 0),
    (255, 255, 0),
    (0, 0, 255),
    (159, 129, 183),
    (0, 255, 0),
    (255, 195, 128),
)

INFO = DatasetInfo(
    name="loveda",
    label="LoveDA",
    domains=("urban", "rural"),
    class_names=CLASSES,
    palette=COLOURS,
    licence="CC BY-NC-SA 4.0, academic use only",
    source="Wang et al. 2021, arXiv 2110.08733; Zenodo 5706578",
    needs_files=True,
)

_LABELS = label_table({0: IGNORE, **{k: k - 1 for k in range(1, 8)}})


def loveda(
    root: Path | None, domain: str, split: str, *, protocol: Literal["holdout", "official"] = "holdout"
) -> FolderDataset:
    """LoveDA aerial land cover, urban and rural: 7 classes, 1024x1024.

    `root` holds Train/ and Val/.  Raises BenchError when it does not, or when a photo lacks its mask.
    """
    check_request(INFO, domain, split)
    trains = split == "train" or (split == "target" and protocol == "holdout")
    folder = _folder(root, "Train" if trains else "Val", domain.capitalize())
    photos = list_files(folder / "images_png", PHOTOS)
    if split == "target":
        found = unlabelled(photos)
    else:
        found = samples(photos, list_files(folder / "masks_png", MASKS))
    if not found:
        raise data_error("holds no images", folder / "images_png", "unpack the archive again")
    return FolderDataset(INFO, domain, split, found, _LABELS)


def _folder(root: Path | None, part: str, scene: str) -> Path:
    if root is None:
        raise not_found(INFO, None)
    flat, nested = root / part / scene, root / part / part / scene
    for folder in (flat, nested):
        if folder.is_dir():
            return folder
    raise not_found(INFO, flat)
