"""Vaihingen: areas by number, eroded labels, crops; the pair of Potsdam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aerial_trees import vaihingen as draw
from PIL import Image

from bench.datasets import potsdam
from bench.datasets.vaihingen import INFO, TEST, TRAIN, vaihingen
from bench.spec import IGNORE, BenchError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw(tmp_path)


def test_areas_are_split_as_documented(root):
    assert (len(TRAIN), len(TEST), len({*TRAIN, *TEST})) == (16, 17, 33)
    for split, areas in (("train", TRAIN), ("target", TRAIN), ("val", TEST), ("test", TEST)):
        data = vaihingen(root, "irrg", split)
        assert [data.image_name(i) for i in range(len(data))] == list(areas)
        assert (data.read(3)[0] == int(areas[3])).all()


def test_colours_are_classes_and_eroded_black_is_ignored(root):
    assert vaihingen(root, "irrg", "train").read(0)[1].ravel().tolist() == [0, 1, 2, 3, 4, 5, 0]
    eroded = vaihingen(root, "irrg", "test", labels="no_boundary")
    assert eroded.read(0)[1].ravel().tolist() == [0, 1, 2, 3, 4, 5, IGNORE]
    assert (vaihingen(root, "irrg", "target").read(0)[1] == IGNORE).all()
    assert eroded.digest() != vaihingen(root, "irrg", "test").digest()


def test_crops_are_read(root):
    for kind, value in (("img_dir", np.zeros((2, 2, 3), np.uint8)), ("ann_dir", np.array([[0, 1], [6, 2]], np.uint8))):
        for part in ("train", "val"):
            (root / kind / part).mkdir(parents=True)
            Image.fromarray(value).save(root / kind / part / "area1_0_0_512_512.png")
    labels = vaihingen(root, "irrg", "val", labels="no_boundary").read(0)[1]
    assert labels.ravel().tolist() == [IGNORE, 0, 5, 1]


def test_it_shares_potsdams_classes():
    assert INFO.class_names == potsdam.INFO.class_names
    assert INFO.palette == potsdam.INFO.palette


@pytest.mark.parametrize("place", [None, Path("absent")])
def test_missing_data_is_told(place):
    with pytest.raises(BenchError, match=r"Vaihingen was not found.*BENCH_DATA"):
        vaihingen(place, "irrg", "train")


def test_a_missing_area_is_an_error(root):
    (root / "top" / "top_mosaic_09cm_area11.tif").unlink()
    with pytest.raises(BenchError, match="tile 11 is not there"):
        vaihingen(root, "irrg", "train")
