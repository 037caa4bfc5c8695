"""GTA5: street scenes rendered by a game, labelled like Cityscapes; the usual synthetic source.

Source     Richter, Vineet, Roth, Koltun: Playing for data: ground truth from computer games, ECCV 2016,
           arXiv 1608.02192.
Licence    Research and education only, and the game's own terms apply; the wording was not at hand: read the
           publisher's page.
Images     24966 rendered PNG of about 1914x1052; sizes differ a little between frames, so set `resize_px`.
Layout     images/NNNNN.png and labels/NNNNN.png, numbers from 1, the ten archives unpacked into one folder.
Left out   15188 and 17705: users of the published archives report that their photo and mask differ in size.
Domains    game.
Splits     `protocol: holdout`    train 22497   val 1250   test 1217, by blocks of 250 numbers (see `numbered`)
           `protocol: published`  train 24964, as papers do; no val, no test
           target = the photos of train, without labels.
Labels     Palette PNG whose indices are Cityscapes labelIds, 0..34: the index counts, not the colour.  They lead to
           the 19, 16 or 13 classes of `classes`; everything else -> IGNORE; another code is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bench.datasets.class_maps import CITYSCAPES19, COLOURS19, GTA5_IDS, Classes, facts_of
from bench.datasets.folders import FolderDataset
from bench.datasets.numbered import numbered_samples
from bench.datasets.reading import label_table
from bench.spec import DatasetInfo

BLOCK = 250
BROKEN = frozenset({15188, 17705})


INFO = DatasetInfo(
    name="gta5",
    label="GTA5",
    domains=("game",),
    class_names=CITYSCAPES19,
    palette=COLOURS19,
    licence="research and education only; see the publisher's terms",
    source="Richter et al. 2016, arXiv 1608.02192; 24966 frames of about 1914x1052",
    needs_files=True,
)


def facts(*, classes: Classes = "cityscapes19") -> DatasetInfo:
    """The facts of GTA5 under one of the class lists."""
    return facts_of(INFO, classes)


def gta5(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["cityscapes19", "cityscapes16", "cityscapes13"] = "cityscapes19",
    protocol: Literal["holdout", "published"] = "holdout",
) -> FolderDataset:
    """GTA5 rendered street scenes: 19, 16 or 13 Cityscapes classes, about 1914x1052.

    `root` holds images/ and labels/.  Raises BenchError when it does not, or when a photo lacks its mask.
    """
    info = facts(classes=classes)
    found = numbered_samples(
        info,
        root,
        ("images", "labels"),
        domain=domain,
        split=split,
        protocol=protocol,
        block=BLOCK,
        leave_out=BROKEN,
    )
    return FolderDataset(info, domain, split, found, label_table(GTA5_IDS.labels(info.class_names)))
