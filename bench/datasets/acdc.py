"""ACDC: street scenes in fog, night, rain and snow, labelled like Cityscapes.

Source     Sakaridis, Dai, Van Gool: ACDC: the adverse conditions dataset with correspondences for semantic driving
           scene understanding, ICCV 2021, arXiv 2104.13395.
Licence    Registration with the publisher, non-commercial; the wording was not at hand: read it there.
Images     1920x1080 RGB PNG.  Train 400 of each condition; val 100 of each, 106 of night; the labels of test are kept
           by a server (of 4006 images in all, as the paper counts; the parts from memory).
Layout     rgb_anon/CONDITION/{train,val}/DRIVE/NAME_rgb_anon.png and gt/CONDITION/{train,val}/DRIVE/
           NAME_gt_labelTrainIds.png; the photos of the same places in fair weather (train_ref, val_ref) are not read.
Domains    fog, night, rain, snow.
Splits     test = official val, the labelled images that are scored here.
           `protocol: holdout`    val = the last whole drives of official train that make up a tenth of it;
                                  train = the rest
           `protocol: published`  train = official train; no val, so that nothing is chosen on what is scored
           target = the photos of official train.
Labels     trainIds 0..18 lead to the 19, 16 or 13 classes of `classes`; 255 -> IGNORE; another code is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bench.datasets.class_maps import CITYSCAPES19, CITYSCAPES_TRAIN_IDS, COLOURS19, Classes, facts_of
from bench.datasets.drives import DriveDataset, check_kept_back, hold_out, list_drives, without
from bench.datasets.folders import check_request, not_found, samples, unlabelled
from bench.datasets.reading import data_error, label_table
from bench.spec import DatasetInfo

_PHOTO, _MASK = "_rgb_anon", "_gt_labelTrainIds"
_NAME = without(_PHOTO, _MASK)


INFO = DatasetInfo(
    name="acdc",
    label="ACDC",
    domains=("fog", "night", "rain", "snow"),
    class_names=CITYSCAPES19,
    palette=COLOURS19,
    licence="non-commercial; registration, see the publisher's terms",
    source="Sakaridis et al. 2021, arXiv 2104.13395; 2006 publicly labelled images of 1920x1080",
    needs_files=True,
)


def facts(*, classes: Classes = "cityscapes19") -> DatasetInfo:
    """The facts of ACDC under one of the class lists."""
    return facts_of(INFO, classes)


def acdc(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["cityscapes19", "cityscapes16", "cityscapes13"] = "cityscapes19",
    protocol: Literal["holdout", "published"] = "holdout",
) -> DriveDataset:
    """ACDC street scenes in fog, night, rain and snow: 19, 16 or 13 Cityscapes classes, 1920x1080.

    `root` holds rgb_anon/ and gt/.  Raises BenchError when it does not, or when a photo lacks its mask.
    """
    info = facts(classes=classes)
    check_request(info, domain, split)
    check_kept_back(info, split, protocol)
    place = Path(domain, "val" if split == "test" else "train")
    if root is None or not (root / "rgb_anon" / place).is_dir():
        raise not_found(info, root and root / "rgb_anon" / place)
    photos = list_drives(root / "rgb_anon" / place, _PHOTO)
    if split == "target":
        found = unlabelled(photos, _NAME)
    else:
        found = samples(photos, list_drives(root / "gt" / place, _MASK), _NAME)
    if split in ("train", "val") and protocol == "holdout":
        found = hold_out(found, split)
    if not found:
        raise data_error(f"holds no images for split '{split}'", root / "rgb_anon" / place, "unpack the archives")
    return DriveDataset(info, domain, split, found, label_table(CITYSCAPES_TRAIN_IDS.labels(info.class_names)))
