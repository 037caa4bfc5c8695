"""ISPRS Potsdam: aerial tiles of a German city, in true colour and in near infrared.

Source     ISPRS 2D semantic labelling contest, Potsdam (Rottensteiner et al., ISPRS Annals I-3, 2012, describe the
           benchmark).
Licence    By request to ISPRS, research use; photos BSF Swissphoto.
Images     38 tiles of 6000x6000, 5 cm a pixel, TIFF.
Domains    rgb = 2_Ortho_RGB, irrg = 3_Ortho_IRRG (near infrared, red, green: the pair for Vaihingen).
Layout     2_Ortho_RGB/top_potsdam_2_10_RGB.tif, 3_Ortho_IRRG/top_potsdam_2_10_IRRG.tif,
           5_Labels_all/top_potsdam_2_10_label.tif, 5_Labels_all_noBoundary/top_potsdam_2_10_label_noBoundary.tif.
           Or crops as mmsegmentation's converter writes them (3456 train, 2016 val of 512x512):
           {img_dir,ann_dir}/{train,val}/NAME.png; they are of the RGB tiles, so domain rgb alone.
Splits     train = the 24 tiles of TRAIN; test = the other 14; val = those 14 as well: there to watch a run, never to
           choose a model.  target = images of the 24.
Labels     Colours: white impervious surface, blue building, cyan low vegetation, green tree, yellow car, red clutter;
           black (eroded boundaries of the noBoundary labels) -> IGNORE with `labels: no_boundary`; any other colour is
           an error.  In some copies of 5_Labels_all, 4_12 is a picture with the label drawn over it; the right one is
           in 5_Labels_for_participants.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from bench.datasets.colours import DecodedFolder
from bench.datasets.folders import check_request, not_found
from bench.datasets.isprs import crops, tiles
from bench.spec import BenchError, DatasetInfo, ExitCode

INFO = DatasetInfo(
    name="potsdam",
    label="ISPRS Potsdam",
    domains=("rgb", "irrg"),
    class_names=("impervious_surface", "building", "low_vegetation", "tree", "car", "clutter"),
    palette=((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)),
    licence="by request to ISPRS, research use",
    source="ISPRS 2D semantic labelling contest, 38 tiles of 6000x6000",
    needs_files=True,
)

TRAIN = (
    *("2_10", "2_11", "2_12", "3_10", "3_11", "3_12", "4_10", "4_11", "4_12", "5_10", "5_11", "5_12"),
    *("6_7", "6_8", "6_9", "6_10", "6_11", "6_12", "7_7", "7_8", "7_9", "7_10", "7_11", "7_12"),
)
TEST = (
    *("2_13", "2_14", "3_13", "3_14", "4_13", "4_14", "4_15"),
    *("5_13", "5_14", "5_15", "6_13", "6_14", "6_15", "7_13"),
)
_PHOTOS = {"rgb": "2_Ortho_RGB", "irrg": "3_Ortho_IRRG"}
_MASKS = {"all": "5_Labels_all", "no_boundary": "5_Labels_all_noBoundary"}


def potsdam(
    root: Path | None, domain: str, split: str, *, labels: Literal["all", "no_boundary"] = "all"
) -> DecodedFolder:
    """ISPRS Potsdam aerial tiles, RGB and IRRG: 6 classes, 6000x6000.

    `root` holds 2_Ortho_RGB/ and so on, or img_dir/ and ann_dir/.  Raises BenchError when it does not.
    """
    check_request(INFO, domain, split)
    if root is not None and (root / "img_dir").is_dir():
        if domain != "rgb":
            problem, remedy = "the crops in img_dir/ are of RGB tiles", "use domain rgb, or lay out the original tiles"
            raise BenchError(problem, remedy=remedy, file=root, code=ExitCode.DATA)
        return crops(INFO, domain, split, root, labels)
    if root is None or not (root / _PHOTOS[domain]).is_dir():
        raise not_found(INFO, root and root / _PHOTOS[domain])
    wanted = TRAIN if split in ("train", "target") else TEST
    return tiles(INFO, domain, split, (root / _PHOTOS[domain], root / _MASKS[labels]), wanted, tile, labels)


def tile(path: Path) -> str:
    """The tile's number, such as `2_10`; empty for a file that is no tile."""
    found = re.match(r"top_potsdam_(\d+_\d+)_", path.name)
    return found[1] if found else ""
