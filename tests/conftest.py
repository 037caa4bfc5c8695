"""What many tests start from: one thread, a small resolved configuration, small CamVid and LoveDA trees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two threads on shared cores wait for each other
os.environ.setdefault("BENCH_EXECUTOR", "inline")  # tests of the default, a process for each run, ask for it

from bench import names
from bench.spec import PlannedRun, RunConfig

pytest_plugins = ["card"]

TINY = {
    "model": "pidnet_s",
    "dataset": {"name": "landcover", "tile_px": 64, "train_tiles": 8, "val_tiles": 2, "test_tiles": 3},
    "source": "urban",
    "evaluate_on": ("urban", "rural"),
    "crop_px": (64, 64),
    "batch_size": 2,
    "steps": 4,
}


@pytest.fixture
def planned() -> Callable[..., PlannedRun]:
    """planned(steps=6, ...) -> a resolved tiny run on landcover with these fields changed."""

    def make(**changes: Any) -> PlannedRun:
        config = names.resolve_config(RunConfig.model_validate({**TINY, **changes}))
        return PlannedRun(name="tiny", run_id=names.id_of(config), config=config)

    return make


PLUGIN = Path(__file__).parent / "plugin"
"""A folder with a package that offers the network `four_convs`, found by whoever has it on its path."""


@pytest.fixture
def four_convs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a network of a few milliseconds, installed for this test."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    names.plugins.cache_clear()
    yield "four_convs"
    names.plugins.cache_clear()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder of this test's own, `.bench` beside it."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


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
    root = Path(os.environ.get("BENCH_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not root.is_dir():
        pytest.skip("no folder of real data: set BENCH_DATA")
    return root
