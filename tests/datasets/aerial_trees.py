"""Small trees of CARLA and of aerial images, drawn in their official layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.potsdam import INFO, TEST, TRAIN
from bench.datasets.vaihingen import TEST as AREAS_TEST
from bench.datasets.vaihingen import TRAIN as AREAS_TRAIN

BLACK = (0, 0, 0)

LISTS = {
    "train": ["al_qurnah_2.tif", "al_qurnah_10.tif", "kujawsko-pomorskie_1.tif", "tokyo_1.tif"],
    "val": ["al_qurnah_3.tif", "tokyo_2.tif"],
}


def carla(root: Path, domain: str = "dataA", frames: int = 10) -> Path:
    """`frames` frames whose masks hold every tag; the last tag of frame n stands n times."""
    for kind in ("CameraRGB", "CameraSeg"):
        (root / domain / domain / kind).mkdir(parents=True)
    for frame in range(frames):
        tags = np.zeros((4, 8, 3), np.uint8)
        tags[..., 0].flat[:13] = range(13)
        for kind, pixels in (("CameraRGB", np.full((4, 8, 3), frame, np.uint8)), ("CameraSeg", tags)):
            Image.fromarray(pixels).save(root / domain / domain / kind / f"F6-{frame + 1}.png")
    return root


def mask(*colours: tuple[int, int, int]) -> Image.Image:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:] = INFO.palette[0]
    pixels.reshape(-1, 3)[: len(colours)] = colours
    return Image.fromarray(pixels)


def potsdam(root: Path) -> Path:
    for folder in ("2_Ortho_RGB", "3_Ortho_IRRG", "5_Labels_all", "5_Labels_all_noBoundary"):
        (root / folder).mkdir(parents=True)
    for number, tile in enumerate((*TRAIN, *TEST)):
        for folder, band, value in (("2_Ortho_RGB", "RGB", 0), ("3_Ortho_IRRG", "IRRG", 100)):
            photo = Image.fromarray(np.full((4, 6, 3), number + value, np.uint8))
            photo.save(root / folder / f"top_potsdam_{tile}_{band}.tif", compression="tiff_lzw")
        mask(*INFO.palette).save(root / "5_Labels_all" / f"top_potsdam_{tile}_label.tif")
        eroded = root / "5_Labels_all_noBoundary" / f"top_potsdam_{tile}_label_noBoundary.tif"
        mask(BLACK, *INFO.palette[1:]).save(eroded)
    (root / "2_Ortho_RGB" / "top_potsdam_2_10_RGB.tfw").write_text("0.05")
    return root


def vaihingen(root: Path) -> Path:
    """Every listed area and one that is not."""
    for folder in ("top", "gts", "gts_eroded"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    colours = np.array([[*INFO.palette, BLACK]], np.uint8)
    for area in (*AREAS_TRAIN, *AREAS_TEST, "9"):
        name = f"top_mosaic_09cm_area{area}"
        Image.fromarray(np.full((1, 7, 3), int(area), np.uint8)).save(root / "top" / f"{name}.tif")
        Image.fromarray(colours[:, [0, 1, 2, 3, 4, 5, 0]]).save(root / "gts" / f"{name}.tif")
        Image.fromarray(colours).save(root / "gts_eroded" / f"{name}_noBoundary.tif")
    return root


def openearthmap(root: Path) -> Path:
    """Three regions, the lists of train and val, and a photo of test."""
    root.mkdir(parents=True, exist_ok=True)
    for part, names in LISTS.items():
        (root / f"{part}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            region = root / name.rpartition("_")[0]
            for kind in ("images", "labels"):
                (region / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((3, 3, 3), 7, np.uint8)).save(region / "images" / name)
            Image.fromarray(np.arange(9, dtype=np.uint8).reshape(3, 3)).save(region / "labels" / name)
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(root / "tokyo" / "images" / "tokyo_77.tif")  # of test
    return root
