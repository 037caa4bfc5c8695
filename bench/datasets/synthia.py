"""SYNTHIA-RAND-CITYSCAPES: rendered street scenes from random places, labelled with the classes of Cityscapes.

Source     Ros, Sellart, Materzynska, Vazquez, Lopez: The SYNTHIA dataset: a large collection of synthetic images for
           semantic segmentation of urban scenes, CVPR 2016.
Licence    Non-commercial (CC BY-NC-SA 3.0 as we remember it; the wording was not at hand: read the publisher's page).
Images     9400 rendered RGB PNG of 1280x760, numbers from 0 (count and size from memory, not counted).
Layout     RGB/NNNNNNN.png and GT/LABELS/NNNNNNN.png; GT/COLOR is for looking at and is not read.
Domains    rendered.
Splits     `protocol: holdout`    train 8500   val 500   test 400, by blocks of 100 numbers (see `numbered`)
           `protocol: published`  train 9400, as papers do; no val, no test
           target = the photos of train, without labels.
Labels     16-bit RGB PNG: the class, 0..22, is the first channel (the last in BGR order), an instance number the
           second.  Pillow gives such files in 8 bits, from the high byte, so that every class becomes 0; here the low
           byte is read, and a high byte that is not 0 is an error.  Of Cityscapes' 19 classes terrain, truck and train
           are not shown: 16 or 13 classes, everything else (parking slots, road works, lane markings) -> IGNORE.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ImageFile

from bench.datasets.class_maps import SYNTHIA_IDS, Classes, facts_of
from bench.datasets.folders import FolderDataset
from bench.datasets.numbered import numbered_samples
from bench.datasets.reading import data_error, decoding, label_table, no_labels, read_image, read_mask, to_labels
from bench.spec import DatasetInfo

BLOCK = 100
_REMEDY = "restore GT/LABELS: 16-bit RGB, the class in its first channel"


# fmt: off
INFO = DatasetInfo(
    name="synthia",
    label="SYNTHIA",
    domains=("rendered",),
    class_names=(
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "sky", "person", "rider", "car", "bus", "motorcycle", "bicycle",
    ),
    palette=(
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
        (0, 60, 100), (0, 0, 230), (119, 11, 32),
    ),
    licence="non-commercial; see the publisher's terms",
    source="Ros et al., CVPR 2016; SYNTHIA-RAND-CITYSCAPES, 9400 frames of 1280x760",
    needs_files=True,
)
# fmt: on


def facts(*, classes: Classes = "cityscapes16") -> DatasetInfo:
    """The facts of SYNTHIA under one of the class lists."""
    return facts_of(INFO, classes)


@dataclass(frozen=True, eq=False)
class Synthia(FolderDataset):
    """SYNTHIA frames, whose masks have 16 bits a channel."""

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (H, W, 3) RGB, labels uint8 (H, W)); raises BenchError naming the file at any fault."""
        sample = self.samples[index]
        image = read_image(sample.image)
        if sample.mask is None:
            return image, no_labels(image)
        height, width = image.shape[:2]
        return image, to_labels(read_classes(sample.mask, (height, width)), self.table, sample.mask)


def synthia(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["cityscapes16", "cityscapes13"] = "cityscapes16",
    protocol: Literal["holdout", "published"] = "holdout",
) -> Synthia:
    """SYNTHIA rendered street scenes: 16 or 13 Cityscapes classes, 1280x760.

    `root` holds RGB/ and GT/.  Raises BenchError when it does not, or when a photo lacks its mask.
    """
    info = facts(classes=classes)
    found = numbered_samples(
        info, root, ("RGB", "GT/LABELS"), domain=domain, split=split, protocol=protocol, block=BLOCK
    )
    return Synthia(info, domain, split, found, label_table(SYNTHIA_IDS.labels(info.class_names)))


def read_classes(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The first channel of a 16-bit RGB PNG of `size` (height, width), uint8 (H, W).

    Raises BenchError naming the file when it is something else, or when a value is above 255.
    """

    def swap_bytes(image: ImageFile.ImageFile) -> None:
        # of two bytes the decoder keeps the one that it takes for the high one: told the other order, the low one
        if [tile[3] for tile in image.tile] != ["RGB;16B"]:
            raise data_error("does not hold 16 bits a channel", path, _REMEDY)
        tiles: Any = [(*tile[:3], "RGB;16L") for tile in image.tile]
        image.tile = tiles

    high = read_mask(path, size, ("RGB",), _REMEDY)[..., 0]
    with decoding(path, swap_bytes) as image:
        low: np.ndarray = np.array(image)[..., 0]
    if high.any():
        value = int((high.astype(int) * 256 + low).max())
        raise data_error(f"its first channel holds {value}, which is no class", path, _REMEDY)
    return low
