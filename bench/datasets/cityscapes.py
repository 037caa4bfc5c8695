"""Cityscapes: street scenes of fifty cities in and around Germany, by day; every city is a domain, and so are all.

Source     Cordts, Omran, Ramos, Rehfeld, Enzweiler, Benenson, Franke, Roth, Schiele: The Cityscapes dataset for
           semantic urban scene understanding, CVPR 2016, arXiv 1604.01685.
Licence    Registration with the publisher; research, no commercial use (read the terms there).
Images     2048x1024 RGB PNG.  Fine labels: train 2975 in 18 cities, val 500 in 3, test 1525 in 6 whose labels are not
           public.  The other 23 cities are in leftImg8bit/train_extra (19998, coarse labels, which are not read).
Layout     {leftImg8bit,gtFine}/{train,val,test}/CITY/CITY_SEQ_FRAME_{leftImg8bit,gtFine_labelIds}.png; where no
           labelIds are found, gtFine_labelTrainIds are read.
Domains    all, or one city.
Splits     all, `protocol: holdout`    train = 15 cities (2616)   val = ulm, weimar, zurich (359)   test = official val
           all, `protocol: published`  train = 2975; no val, so that nothing is chosen on what is scored
           a city with public labels   by order of frames: train = first 7/10, val = next 1/10, test = last 2/10; the
                                       ends of each touch, for a city is one visit.  frankfurt, lindau and munster are
                                       the official val: who trains on them must not print a score on `all`
           a city without              target alone
           target = the photos of official train; of one city its train part, or all where no labels are public.
Labels     labelIds 0..33 (and 255 for -1, licence plate), or trainIds 0..18 and 255, lead to the 19, 16 or 13 classes
           of `classes`; everything else -> IGNORE; another code is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bench.datasets.class_maps import CITYSCAPES19, CITYSCAPES_IDS, CITYSCAPES_TRAIN_IDS, COLOURS19, Classes, facts_of
from bench.datasets.drives import (
    DriveDataset,
    check_kept_back,
    check_labelled,
    hold_out,
    list_drive,
    list_drives,
    without,
)
from bench.datasets.folders import Sample, check_request, not_found, samples, unlabelled
from bench.datasets.reading import data_error, label_table
from bench.spec import DatasetInfo

CITIES: dict[str, str] = {
    "train": "aachen bochum bremen cologne darmstadt dusseldorf erfurt hamburg hanover jena krefeld monchengladbach "
    "strasbourg stuttgart tubingen ulm weimar zurich",
    "val": "frankfurt lindau munster",
    "test": "berlin bielefeld bonn leverkusen mainz munich",
    "train_extra": "augsburg bad-honnef bamberg bayreuth dortmund dresden duisburg erlangen freiburg heidelberg "
    "heilbronn karlsruhe konigswinter konstanz mannheim muhlheim-ruhr nuremberg oberhausen saarbrucken schweinfurt "
    "troisdorf wuppertal wurzburg",
}
"""Official part -> its cities."""

_PART_OF = {city: part for part, cities in CITIES.items() for city in cities.split()}
_PHOTO, _IDS, _TRAIN_IDS = "_leftImg8bit", "_gtFine_labelIds", "_gtFine_labelTrainIds"
_NAME = without(_PHOTO, _IDS, _TRAIN_IDS)


# fmt: off
INFO = DatasetInfo(
    name="cityscapes",
    label="Cityscapes",
    domains=(
        "all", "aachen", "augsburg", "bad-honnef", "bamberg", "bayreuth", "berlin", "bielefeld", "bochum", "bonn",
        "bremen", "cologne", "darmstadt", "dortmund", "dresden", "duisburg", "dusseldorf", "erfurt", "erlangen",
        "frankfurt", "freiburg", "hamburg", "hanover", "heidelberg", "heilbronn", "jena", "karlsruhe",
        "konigswinter", "konstanz", "krefeld", "leverkusen", "lindau", "mainz", "mannheim", "monchengladbach",
        "muhlheim-ruhr", "munich", "munster", "nuremberg", "oberhausen", "saarbrucken", "schweinfurt", "strasbourg",
        "stuttgart", "troisdorf", "tubingen", "ulm", "weimar", "wuppertal", "wurzburg", "zurich",
    ),
    class_names=CITYSCAPES19,
    palette=COLOURS19,
    licence="research, no commercial use; registration",
    source="Cordts et al. 2016, arXiv 1604.01685; 5000 finely labelled images of 2048x1024",
    needs_files=True,
)
# fmt: on


def facts(*, classes: Classes = "cityscapes19") -> DatasetInfo:
    """The facts of Cityscapes under one of the class lists."""
    return facts_of(INFO, classes)


def cityscapes(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["cityscapes19", "cityscapes16", "cityscapes13"] = "cityscapes19",
    protocol: Literal["holdout", "published"] = "holdout",
) -> DriveDataset:
    """Cityscapes street scenes, all or city by city: 19, 16 or 13 classes, 2048x1024.

    `root` holds leftImg8bit/ and gtFine/.  Raises BenchError when it does not, when a photo lacks its mask, and for a
    labelled split of a city whose labels are not public.
    """
    info = facts(classes=classes)
    check_request(info, domain, split)
    part = _PART_OF.get(domain, "val" if split == "test" else "train")
    check_labelled(info, domain, split, part in ("train", "val"))
    if domain == "all":
        check_kept_back(info, split, protocol)
    place = Path(part) if domain == "all" else Path(part, domain)
    if root is None or not (root / "leftImg8bit" / place).is_dir():
        raise not_found(info, root and root / "leftImg8bit" / place)
    listed = list_drives if domain == "all" else list_drive
    photos = listed(root / "leftImg8bit" / place, _PHOTO)
    codes = CITYSCAPES_IDS
    if split == "target":
        found = unlabelled(photos, _NAME)
    else:
        masks = listed(root / "gtFine" / place, _IDS)
        if not masks:
            masks, codes = listed(root / "gtFine" / place, _TRAIN_IDS), CITYSCAPES_TRAIN_IDS
        found = samples(photos, masks, _NAME)
    found = _share(found, domain, split, protocol)
    if not found:
        raise data_error(f"holds no images for split '{split}'", root / "leftImg8bit" / place, "unpack the archives")
    return DriveDataset(info, domain, split, found, label_table(codes.labels(info.class_names)))


def _share(found: tuple[Sample, ...], domain: str, split: str, protocol: str) -> tuple[Sample, ...]:
    if domain == "all":
        whole = split in ("test", "target") or protocol == "published"
        return found if whole else hold_out(found, split)
    if _PART_OF[domain] not in ("train", "val"):
        return found
    seven, eight = len(found) * 7 // 10, len(found) * 8 // 10
    return {"val": found[seven:eight], "test": found[eight:]}.get(split, found[:seven])
