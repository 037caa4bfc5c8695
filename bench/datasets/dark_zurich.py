"""Dark Zurich: streets of one city by night, at twilight and by day; only fifty night scenes are publicly labelled.

Source     Sakaridis, Dai, Van Gool: Guided curriculum model adaptation and uncertainty-aware evaluation for semantic
           nighttime image segmentation, ICCV 2019, arXiv 1901.05946.
Licence    Non-commercial; the wording was not at hand: read it on the publisher's page.
Images     1920x1080 RGB PNG.  Train, without labels: night 2416, twilight 2920, day 3041.  Val: 50 labelled by night.
           Test: 151 by night whose labels are kept by a server.  (Counts from memory, but for the 50.)
Layout     rgb_anon/{train,val}/DOMAIN/DRIVE/NAME_rgb_anon.png and gt/val/night/DRIVE/NAME_gt_labelTrainIds.png: the
           archives of the publisher merged into one folder.
Domains    day, night, twilight.  Day and twilight have no labels: they are targets alone.
Splits     night: test = the 50 of official val, of one drive; val = the same, to watch a run by, never to choose by.
           There is no train.   target = the photos of official train.
Labels     trainIds 0..18 lead to the 19, 16 or 13 classes of `classes`; 255 -> IGNORE; another code is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bench.datasets.class_maps import CITYSCAPES19, CITYSCAPES_TRAIN_IDS, COLOURS19, Classes, facts_of
from bench.datasets.drives import DriveDataset, check_labelled, list_drives, without
from bench.datasets.folders import check_request, not_found, samples, unlabelled
from bench.datasets.reading import data_error, label_table
from bench.spec import DatasetInfo

_PHOTO, _MASK = "_rgb_anon", "_gt_labelTrainIds"
_NAME = without(_PHOTO, _MASK)


INFO = DatasetInfo(
    name="dark_zurich",
    label="Dark Zurich",
    domains=("day", "night", "twilight"),
    class_names=CITYSCAPES19,
    palette=COLOURS19,
    licence="non-commercial; see the publisher's terms",
    source="Sakaridis et al. 2019, arXiv 1901.05946; 50 publicly labelled images of 1920x1080",
    needs_files=True,
)


def facts(*, classes: Classes = "cityscapes19") -> DatasetInfo:
    """The facts of Dark Zurich under one of the class lists."""
    return facts_of(INFO, classes)


def dark_zurich(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["cityscapes19", "cityscapes16", "cityscapes13"] = "cityscapes19",
) -> DriveDataset:
    """Dark Zurich by night, twilight and day: 19, 16 or 13 Cityscapes classes, 1920x1080, labels by night alone.

    `root` holds rgb_anon/ and gt/.  Raises BenchError when it does not, when a photo lacks its mask, and for a labelled
    split where no labels are public.
    """
    info = facts(classes=classes)
    check_request(info, domain, split)
    check_labelled(info, domain, split, domain == "night" and split != "train")
    place = Path("train" if split == "target" else "val", domain)
    if root is None or not (root / "rgb_anon" / place).is_dir():
        raise not_found(info, root and root / "rgb_anon" / place)
    photos = list_drives(root / "rgb_anon" / place, _PHOTO)
    if split == "target":
        found = unlabelled(photos, _NAME)
    else:
        found = samples(photos, list_drives(root / "gt" / place, _MASK), _NAME)
    if not found:
        raise data_error(f"holds no images for split '{split}'", root / "rgb_anon" / place, "unpack the archives")
    return DriveDataset(info, domain, split, found, label_table(CITYSCAPES_TRAIN_IDS.labels(info.class_names)))
