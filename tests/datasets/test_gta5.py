"""GTA5: palette files by index, sizes that vary, splits by blocks of numbers, the two broken frames."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import street_trees
from PIL import Image

from bench.datasets.gta5 import BLOCK, BROKEN, gta5
from bench.datasets.numbered import part_of
from bench.spec import IGNORE, BenchError

TRAIN_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return street_trees.gta5(tmp_path / "gta5")


def numbers(root: Path, split: str, **options: str) -> list[int]:
    dataset = gta5(root, "game", split, **options)
    return [int(dataset.image_name(i)) for i in range(len(dataset))]


def test_splits_follow_the_number_alone(root):
    assert numbers(root, "train") == numbers(root, "target") == [1, 2, 10, 2249]
    assert numbers(root, "val") == [2250, 2499]
    assert numbers(root, "test") == [4750, 24966]
    (root / "images" / "00001.png").unlink()
    (root / "labels" / "00001.png").unlink()
    assert numbers(root, "val") == [2250, 2499]


def test_the_counts_of_the_whole_set_are_those_of_the_docstring():
    count = Counter(part_of(n, BLOCK) for n in range(1, 24967) if n not in BROKEN)
    assert count == {"train": 22497, "val": 1250, "test": 1217}


def test_a_palette_file_counts_by_index_not_by_colour(root):
    with Image.open(root / "labels" / "00001.png") as stored:
        assert stored.mode == "P"
        colours = np.asarray(stored.convert("RGB")).reshape(-1, 3)
        assert colours[7].tolist() != [7, 7, 7]
    labels = gta5(root, "game", "train").read(0)[1].ravel()
    for code in range(35):
        assert labels[code] == (TRAIN_IDS.index(code) if code in TRAIN_IDS else IGNORE)


def test_sizes_may_vary_between_frames_but_not_within_one(root):
    dataset = gta5(root, "game", "train")
    assert [dataset.read(i)[1].shape for i in (0, 1)] == [street_trees.SIZE, (5, 9)]
    street_trees.mask(root / "labels" / "00002.png", range(35))
    with pytest.raises(BenchError, match=r"00002\.png: the mask is 8x6 pixels, its photo 9x5"):
        dataset.read(1)


def test_the_two_frames_whose_masks_never_fit_are_left_out(root):
    whole = numbers(root, "train", protocol="published")
    assert not BROKEN & set(whole)
    assert part_of(15188, BLOCK) == part_of(17705, BLOCK) == "train"  # so that only leaving out keeps them away
    broken = root / "labels" / "15188.png"
    broken.rename(root / "labels" / "15189.png")
    (root / "images" / "15188.png").rename(root / "images" / "15189.png")
    dataset = gta5(root, "game", "train", protocol="published")
    (index,) = (i for i in range(len(dataset)) if dataset.image_name(i) == "15189")
    with pytest.raises(BenchError, match=r"15189\.png: the mask is 3x3"):  # control: under another name they are read
        dataset.read(index)


def test_names_that_are_no_numbers_and_empty_splits_are_named(root):
    for number in (4750, 24966):
        for folder in ("images", "labels"):
            (root / folder / f"{number:05d}.png").unlink()
    with pytest.raises(BenchError, match="holds no frames of split 'test'"):
        gta5(root, "game", "test")
    street_trees.photo(root / "images" / "copy of 1.png")
    with pytest.raises(BenchError, match="is not named by a frame number"):
        gta5(root, "game", "train")
