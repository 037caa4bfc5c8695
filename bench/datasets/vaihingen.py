"""ISPRS Vaihingen: aerial tiles of a German small town in near infrared, red and green.

Source     ISPRS 2D semantic labelling contest, Vaihingen (Rottensteiner et al., ISPRS Annals I-3, 2012; photos by the
           German Society for Photogrammetry, Cramer 2010).
Licence    By request to ISPRS, research use.
Images     33 tiles of about 2500x2000, 9 cm a pixel, TIFF.
Domains    irrg, its only one: the pair for Potsdam's irrg.
Layout     top/top_mosaic_09cm_area1.tif, gts/top_mosaic_09cm_area1.tif (the COMPLETE ground truth) and
           gts_eroded/top_mosaic_09cm_area1_noBoundary.tif (the eroded_COMPLETE one).
           Or crops as mmsegmentation's converter writes them (344 train, 398 val of 512x512, eroded labels):
           {img_dir,ann_dir}/{train,val}/NAME.png.
Splits     train = the 16 areas of TRAIN; test = the other 17; val = those 17 as well: there to watch a run, never to
           choose a model.  target = images of the 16.
Labels     As Potsdam's: six colours, black -> IGNORE with `labels: no_boundary`, any other colour an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from bench.datasets.colours import DecodedFolder
from bench.datasets.folders import check_request, not_found
from bench.datasets.isprs import crops, tiles
from bench.spec import DatasetInfo

INFO = DatasetInfo(
    name="vaihingen",
    label="ISPRS Vaihingen",
    domains=("irrg",),
    class_names=("impervious_surface", "building", "low_vegetation", "tree", "car", "clutter"),
    palette=((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)),
    licence="by request to ISPRS, research use",
    source="ISPRS 2D semantic labelling contest, 33 tiles",
    needs_files=True,
)

TRAIN = ("1", "3", "5", "7", "11", "13", "15", "17", "21", "23", "26", "28", "30", "32", "34", "37")
TEST = ("2", "4", "6", "8", "10", "12", "14", "16", "20", "22", "24", "27", "29", "31", "33", "35", "38")
_MASKS = {"all": "gts", "no_boundary": "gts_eroded"}


def vaihingen(
    root: Path | None, domain: str, split: str, *, labels: Literal["all", "no_boundary"] = "all"
) -> DecodedFolder:
    """ISPRS Vaihingen aerial tiles, IRRG: 6 classes, about 2500x2000.

    `root` holds top/ and gts/, or img_dir/ and ann_dir/.  Raises BenchError when it does not.
    """
    check_request(INFO, domain, split)
    if root is not None and (root / "img_dir").is_dir():
        return crops(INFO, domain, split, root, labels)
    if root is None or not (root / "top").is_dir():
        raise not_found(INFO, root and root / "top")
    wanted = TRAIN if split in ("train", "target") else TEST
    return tiles(INFO, domain, split, (root / "top", root / _MASKS[labels]), wanted, tile, labels)


def tile(path: Path) -> str:
    """The area's number, such as `11`; empty for a file that is no tile."""
    found = re.match(r"top_mosaic_09cm_area(\d+)(_noBoundary)?\.", path.name)
    return found[1] if found else ""
