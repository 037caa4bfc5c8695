"""Small CamVid and LoveDA trees drawn on the spot, and the folder of real data where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[[Path, Path, int], None]


def draw_pair(photo: Path, mask: Path, top: int, size: tuple[int, int] = (6, 8)) -> None:
    """A photo of one colour that depends on its name, and a mask with the values 0..top."""
    colour = sum(photo.stem.encode()) % 256
    for path in (photo, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), colour, np.uint8)).save(photo)
    Image.fromarray((np.arange(size[0] * size[1]) % (top + 1)).astype(np.uint8).reshape(size)).save(mask)


@pytest.fixture
def pair() -> Draw:
    """Draws one photo and its mask."""
    return draw_pair


@pytest.fixture
def camvid_root(tmp_path: Path) -> Path:
    """Two day and fourteen dusk frames to train on, and a few for val and test; numbers of unequal length."""
    root = tmp_path / "camvid"
    frames = {
        "train": ["0006R0_f9", "0006R0_f10", *(f"0001TP_{n}" for n in range(3, 17))],
        "val": ["0016E5_1"],
        "test": ["Seq05VD_f2", "0001TP_99", "0001TP_100"],
    }
    for part, stems in frames.items():
        for stem in stems:
            draw_pair(root / part / f"{stem}.png", root / f"{part}annot" / f"{stem}.png", 11)
    return root


@pytest.fixture
def loveda_root(tmp_path: Path) -> Path:
    """Three tiles in each scene of Train, two in each of Val."""
    root = tmp_path / "loveda"
    for part, numbers in (("Train", (2, 10, 9)), ("Val", (11, 12))):
        for scene in ("Urban", "Rural"):
            for number in numbers:
                folder = root / part / scene
                draw_pair(folder / f"images_png/{number}.png", folder / f"masks_png/{number}.png", 7)
    return root


@pytest.fixture
def real_data() -> Path:
    """The folder of real data: BENCH_DATA, or ../shared/data beside the repository."""
    root = Path(os.environ.get("BENCH_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not root.is_dir():
        pytest.skip("no folder of real data: set BENCH_DATA")
    return root
