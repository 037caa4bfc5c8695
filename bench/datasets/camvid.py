"""CamVid: street scenes from a driving car, day and dusk.

Source     Brostow, Fauqueur, Cipolla: Semantic object classes in video: a high-definition ground truth database,
           Pattern Recognition Letters 30(2), 2009; and Brostow et al., ECCV 2008.  Read in the layout of the SegNet
           tutorial (Badrinarayanan et al. 2017, arXiv 1511.00561), 701 images of 480x360, photos PNG or JPEG.
Licence    CC BY-NC 4.0 (research use), as the tutorial's repository states.
Layout     {train,val,test}/NAME.(png|jpg) and {train,val,test}annot/NAME.png; the sequence is NAME up to "_".
Domains    dusk = sequence 0001TP (mean brightness 61); day = 0006R0, 0016E5, Seq05VD (100 to 137).
Splits     day   train 305 (0006R0, 0016E5)   val 101 (0016E5)         test 171 (Seq05VD)   target = train's images
           dusk  train 50 (first of 0001TP)   val 12 (last of them)    test 62 (0001TP)     target = all 62
           Official val is the same drive as part of train, and dusk train and test are one drive: val is for
           choosing, never for reporting, and a dusk score is one within a drive.
Labels     0..10 on disk are our classes in the same order; 11 (unlabelled) -> IGNORE; anything else is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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

INFO = DatasetInfo(
    name="camvid",
    label="CamVid",
    domains=("day", "dusk"),
    class_names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    palette=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (0, 0, 192),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    licence="CC BY-NC 4.0, research use",
    source="Brostow et al. 2009; SegNet tutorial copy, 701 images of 480x360",
    needs_files=True,
)

DUSK_SEQUENCE = "0001TP"
DUSK_VAL = 12
_LABELS = label_table({**{k: k for k in range(11)}, 11: IGNORE})


@dataclass(frozen=True, eq=False)
class CamVid(FolderDataset):
    """CamVid images that know the drive they come from."""

    def sequence(self, index: int) -> str:
        """The drive of an image, such as `Seq05VD`: images of one drive are not independent."""
        return _sequence(self.image_name(index))


def camvid(root: Path | None, domain: str, split: str) -> CamVid:
    """CamVid street scenes, day and dusk: 11 classes, 480x360.

    `root` holds train/, trainannot/ and so on.  Raises BenchError when it does not, or when a photo lacks its mask.
    """
    check_request(INFO, domain, split)
    official = "train" if split == "target" or (domain, split) == ("dusk", "val") else split
    folder = None if root is None else root / official
    if folder is None or not folder.is_dir():
        raise not_found(INFO, folder)
    photos = list_files(folder, PHOTOS, lambda stem: _domain(stem) == domain)
    if split == "target":
        found = unlabelled(photos)
    else:
        masks = folder.with_name(official + "annot")
        found = samples(photos, list_files(masks, MASKS, lambda stem: _domain(stem) == domain))
    if domain == "dusk" and split in ("train", "val"):
        found = found[:-DUSK_VAL] if split == "train" else found[-DUSK_VAL:]
    if not found:
        raise data_error(f"holds no images of {domain} for split '{split}'", folder, "restore the folder")
    return CamVid(INFO, domain, split, found, _LABELS)


def _sequence(stem: str) -> str:
    return stem.partition("_")[0]


def _domain(stem: str) -> str:
    return "dusk" if _sequence(stem) == DUSK_SEQUENCE else "day"
