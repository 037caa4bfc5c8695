"""Cityscapes as image pairs: small JPEGs with the photo on the left and its coloured labels on the right.

Source     Cordts et al.: The Cityscapes dataset for semantic urban scene understanding, CVPR 2016, arXiv 1604.01685;
           prepared for image-to-image translation (Isola et al., CVPR 2017, arXiv 1611.07004), offered on Kaggle as
           "Cityscapes Image Pairs" by dansbecker.
Licence    Cityscapes' own, research only; the copy states none that we have seen.
Images     train 2975, val 500; 512x256 pixels each, so that a scene of 2:1 is squeezed into 256x256.  Scores on them
           are not those of Cityscapes.
Layout     {train,val}/N.jpg, below `root` or below `root`/cityscapes_data (also twice, as the archive unpacks).
Domains    all.
Splits     train = official train but its last tenth by number   val = that tenth, for choosing: the files do not tell
           which city they show, so a drive may be in both.   test = official val.   target = photos of official train.
Labels     Colours after JPEG: each pixel is the nearest official colour, the colours of void among them, so that void
           stays void.  At edges JPEG mixes two colours into a third, which is a wrong label of the copy that nobody
           can undo.  Pole groups are poles and licence plates are cars, for they share a colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bench.datasets.class_maps import CITYSCAPES19, COLOURS19, PALETTE, VOID_PALETTE, Classes, facts_of
from bench.datasets.folders import FolderDataset, Sample, check_request, list_files, not_found
from bench.datasets.reading import data_error, no_labels, read_image
from bench.spec import IGNORE, DatasetInfo

SIDE = 256
"""Height of a pair, and width of each half, in pixels."""

_NAMES = (*PALETTE, *VOID_PALETTE)
_COLOURS = np.array([*PALETTE.values(), *VOID_PALETTE.values()], np.float32)


INFO = DatasetInfo(
    name="cityscapes_pairs",
    label="Cityscapes pairs",
    domains=("all",),
    class_names=CITYSCAPES19,
    palette=COLOURS19,
    licence="Cityscapes' own, research only",
    source="Cordts et al. 2016, arXiv 1604.01685; 2975 + 500 pairs of 256x256 on Kaggle",
    needs_files=True,
)


def facts(*, classes: Classes = "cityscapes19") -> DatasetInfo:
    """The facts of the pairs under one of the class lists."""
    return facts_of(INFO, classes)


@dataclass(frozen=True, eq=False)
class Pairs(FolderDataset):
    """Photo and labels in one file; `table` gives the label of each entry of the palette."""

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (256, 256, 3) RGB, labels uint8 (256, 256)); raises BenchError naming the file at any fault."""
        sample = self.samples[index]
        both = read_image(sample.image)
        if both.shape != (SIDE, 2 * SIDE, 3):
            raise data_error(
                f"is {both.shape[1]}x{both.shape[0]} pixels, not a photo beside its labels ({2 * SIDE}x{SIDE})",
                sample.image,
                "restore the file",
            )
        image = np.ascontiguousarray(both[:, :SIDE])
        if sample.mask is None:
            return image, no_labels(image)
        labels: np.ndarray = self.table[nearest_colour(both[:, SIDE:])]
        return image, labels


def cityscapes_pairs(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["cityscapes19", "cityscapes16", "cityscapes13"] = "cityscapes19",
) -> Pairs:
    """Cityscapes as small pairs of photo and coloured labels: 19, 16 or 13 classes, 256x256.

    `root` holds train/ and val/, or cityscapes_data/.  Raises BenchError when it does not.
    """
    info = facts(classes=classes)
    check_request(info, domain, split)
    folder = _folder(info, root, "val" if split == "test" else "train")
    files = list_files(folder, (".jpg", ".jpeg"))
    kept = len(files) - -(-len(files) // 10)
    files = {"train": files[:kept], "val": files[kept:]}.get(split, files)
    if not files:
        raise data_error(f"holds no pairs for split '{split}'", folder, "unpack the archive again")
    known = {name: label for label, name in enumerate(info.class_names)}
    table = np.array([known.get(name, IGNORE) for name in _NAMES], np.uint8)
    found = tuple(Sample(path.stem, path, None if split == "target" else path) for path in files)
    return Pairs(info, domain, split, found, table)


def nearest_colour(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> which entry of the official palette is nearest in RGB, (H, W); of equals the first."""
    # |p - c|^2 without |p|^2, which is the same for every c: whole numbers below 2^24, so exact in float32
    distance = (_COLOURS**2).sum(1) - 2 * (pixels.astype(np.float32) @ _COLOURS.T)
    nearest: np.ndarray = distance.argmin(-1)
    return nearest


def _folder(info: DatasetInfo, root: Path | None, part: str) -> Path:
    if root is None:
        raise not_found(info, None)
    tops = (root, root / "cityscapes_data", root / "cityscapes_data" / "cityscapes_data")
    for folder in (top / part for top in tops):
        if folder.is_dir():
            return folder
    raise not_found(info, root / part)
