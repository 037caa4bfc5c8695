"""CARLA street scenes of the Lyft-Udacity challenge: five recordings from a simulator.

Source     Dosovitskiy et al.: CARLA: an open urban driving simulator, CoRL 2017, arXiv 1711.03938; recorded for the
           Lyft-Udacity perception challenge of 2018.
Licence    CARLA's assets are CC BY 4.0; the challenge's copies state no licence of their own: research use.
Images     800x600 PNG, about 1000 in each recording.
Layout     data{A..E}/data{A..E}/{CameraRGB,CameraSeg}/NAME.png; data{A..E}/{CameraRGB,CameraSeg} is accepted too.
Domains    dataA, dataB, dataC, dataD, dataE: the five recordings.
Splits     There are no official ones.  Frames are in the order of their names, and neighbours look alike, so each
           recording is cut into blocks: train = the first 70 %, val = the next 10 %, test = the last 20 %.
           target = train's images.
Labels     The tag is in the RED channel of an RGB mask, 0..12; green and blue are 0, and a mask where they are not is
           coloured and an error.  (OpenCV reads BGR: there red is index 2.)  `classes: carla` scores all 13, `none`
           (sky, mostly) included; the Cityscapes lists map them, see `class_maps.CARLA_IDS`.  The challenge itself
           joins road lines to roads and cuts off the bonnet of the own car, which is tagged as a vehicle.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from bench.datasets.class_maps import CARLA_IDS, facts_of
from bench.datasets.colours import DecodedFolder
from bench.datasets.folders import check_request, list_files, not_found, samples, unlabelled
from bench.datasets.reading import data_error, label_table, read_mask, to_labels
from bench.spec import DatasetInfo

# fmt: off
INFO = DatasetInfo(
    name="carla",
    label="CARLA (Lyft-Udacity)",
    domains=("dataA", "dataB", "dataC", "dataD", "dataE"),
    class_names=(
        "none", "building", "fence", "other", "pedestrian", "pole", "road_line", "road", "sidewalk", "vegetation",
        "vehicle", "wall", "traffic_sign",
    ),
    palette=(
        (0, 0, 0), (70, 70, 70), (190, 153, 153), (72, 0, 90), (220, 20, 60), (153, 153, 153), (157, 234, 50),
        (128, 64, 128), (244, 35, 232), (107, 142, 35), (0, 0, 255), (102, 102, 156), (220, 220, 0),
    ),
    licence="assets CC BY 4.0; the challenge's copies state none, research use",
    source="Dosovitskiy et al. 2017, arXiv 1711.03938; Lyft-Udacity challenge, 800x600",
    needs_files=True,
)
# fmt: on

PNG = (".png",)
_CUTS = {"train": (0, 70), "target": (0, 70), "val": (70, 80), "test": (80, 100)}


def facts(*, classes: Literal["carla", "cityscapes19", "cityscapes16", "cityscapes13"] = "carla") -> DatasetInfo:
    """The facts with this class list: class k is tag k, in the challenge's colours, or one of Cityscapes' lists."""
    return INFO if classes == "carla" else facts_of(INFO, classes)


def carla(
    root: Path | None,
    domain: str,
    split: str,
    *,
    classes: Literal["carla", "cityscapes19", "cityscapes16", "cityscapes13"] = "carla",
) -> DecodedFolder:
    """CARLA simulated streets of the Lyft-Udacity challenge: 13 classes or Cityscapes', 800x600.

    `root` holds dataA/ and so on.  Raises BenchError when it does not, or when a photo lacks its mask.
    """
    info = facts(classes=classes)
    check_request(info, domain, split)
    folder = _folder(root, domain)
    photos = list_files(folder / "CameraRGB", PNG)
    found = unlabelled(photos) if split == "target" else samples(photos, list_files(folder / "CameraSeg", PNG))
    start, stop = (len(found) * percent // 100 for percent in _CUTS[split])
    if start == stop:
        raise data_error(f"holds no images for split '{split}'", folder / "CameraRGB", "unpack the archive again")
    codes = {k: k for k in range(INFO.num_classes)} if classes == "carla" else CARLA_IDS.labels(info.class_names)
    table = label_table(codes)
    return DecodedFolder(info, domain, split, found[start:stop], table, partial(read_red, table=table))


def read_red(path: Path, size: tuple[int, int], *, table: np.ndarray) -> np.ndarray:
    """The red channel of the mask as labels by `table`, uint8 (H, W) = `size`; raises BenchError naming the file."""
    pixels = read_mask(path, size, ("RGB", "RGBA"), "the tag must be in the red channel of an 8-bit RGB mask")
    if pixels[..., 1:3].any():
        worst = pixels[pixels[..., 1:3].any(axis=-1)][0]
        problem = f"green and blue are not 0 everywhere (first {worst[0]},{worst[1]},{worst[2]}): a coloured mask"
        raise data_error(problem, path, "take CameraSeg's raw tags, where the red channel holds 0..12")
    return to_labels(pixels[..., 0], table, path)


def _folder(root: Path | None, domain: str) -> Path:
    if root is None:
        raise not_found(INFO, None)
    nested, flat = root / domain / domain, root / domain
    for folder in (nested, flat):
        if (folder / "CameraRGB").is_dir():
            return folder
    raise not_found(INFO, nested)
