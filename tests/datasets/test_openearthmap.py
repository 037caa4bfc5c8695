"""OpenEarthMap: regions, lists, the code 0, and the copy without xBD photos."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from aerial_trees import openearthmap as draw
from PIL import Image

from bench.datasets.openearthmap import INFO, openearthmap
from bench.spec import IGNORE, BenchError, ExitCode


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw(tmp_path)


def names(root: Path, domain: str, split: str) -> list[str]:
    data = openearthmap(root, domain, split)
    return [data.image_name(i) for i in range(len(data))]


def test_there_are_97_regions_and_all():
    assert INFO.domains[0] == "all"
    assert len(set(INFO.domains)) == 98
    assert INFO.num_classes == len(set(INFO.palette)) == 8


def test_lists_decide_the_splits(root):
    assert names(root, "al_qurnah", "train") == ["al_qurnah_2", "al_qurnah_10"]
    assert names(root, "al_qurnah", "test") == names(root, "al_qurnah", "val") == ["al_qurnah_3"]
    assert names(root, "all", "test") == ["al_qurnah_3", "tokyo_2"]
    every = ["al_qurnah_2", "al_qurnah_10", "kujawsko-pomorskie_1", "tokyo_1"]
    assert names(root, "all", "train") == names(root, "all", "target") == every


def test_zero_is_ignored_and_k_is_class_k_minus_one(root):
    assert openearthmap(root, "tokyo", "train").read(0)[1].ravel().tolist() == [IGNORE, *range(8)]
    Image.fromarray(np.full((3, 3), 9, np.uint8)).save(root / "tokyo/labels/tokyo_1.tif")
    with pytest.raises(BenchError, match="label 9"):
        openearthmap(root, "tokyo", "train").read(0)


def test_without_photos_a_region_is_left_out_of_all_and_an_error_by_name(root):
    shutil.rmtree(root / "al_qurnah" / "images")
    assert names(root, "all", "test") == ["tokyo_2"]
    with pytest.raises(BenchError, match=r"listed but not there \(1 in all\).*xView2"):
        openearthmap(root, "al_qurnah", "test")


@pytest.mark.parametrize(("kind", "splits"), [("images", ("train", "target")), ("labels", ("train",))])
def test_a_listed_file_that_is_missing_is_an_error(root, kind, splits):
    (root / "al_qurnah" / kind / "al_qurnah_10.tif").unlink()
    for split in splits:
        with pytest.raises(BenchError, match="al_qurnah_10") as caught:
            openearthmap(root, "all", split)
        assert caught.value.code == ExitCode.DATA
    assert len(openearthmap(root, "al_qurnah", "test")) == 1  # control


@pytest.mark.parametrize("line", ["../tokyo_1.tif", "atlantis_1.tif", "tokyo_1.png", "/tokyo_1.tif"])
def test_a_line_that_names_no_file_of_a_region_is_an_error(root, line):
    with (root / "train.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BenchError, match=r"train\.txt:5: is no file of a known region"):
        openearthmap(root, "tokyo", "train")


def test_missing_data_is_told(tmp_path):
    with pytest.raises(BenchError, match=r"OpenEarthMap was not found.*BENCH_DATA"):
        openearthmap(None, "all", "train")
    with pytest.raises(BenchError, match="list of files cannot be read"):
        openearthmap(tmp_path, "all", "train")
    (tmp_path / "val.txt").write_text("")
    with pytest.raises(BenchError, match="names no images of all"):
        openearthmap(tmp_path, "all", "test")
