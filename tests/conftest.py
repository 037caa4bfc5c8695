"""What many tests start from: one thread, a small resolved configuration, a place to run it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two threads on shared cores wait for each other

from bench import names
from bench.spec import PlannedRun, RunConfig

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


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder of this test's own, `.bench` beside it."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder
