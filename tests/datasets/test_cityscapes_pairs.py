"""Cityscapes pairs: halves, colours after JPEG, void that stays void."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import street_trees
from PIL import Image

from bench.datasets import cityscapes_pairs as module
from bench.datasets.cityscapes_pairs import cityscapes_pairs, nearest_colour
from bench.datasets.class_maps import PALETTE
from bench.spec import IGNORE, BenchError

STRIPE = street_trees.STRIPE
COLOURS = np.array(street_trees.pair_colours(), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return street_trees.cityscapes_pairs(tmp_path / "cityscapes_pairs")


def names(root: Path, split: str) -> list[int]:
    dataset = cityscapes_pairs(root, "all", split)
    return [int(dataset.image_name(i)) for i in range(len(dataset))]


def test_splits_in_numeric_order(root):
    assert names(root, "train") == [*range(1, 11)]
    assert names(root, "val") == [11, 12]
    assert names(root, "test") == [1, 2]
    assert names(root, "target") == [*range(1, 13)]


def test_the_left_half_is_the_photo(root):
    image, labels = cityscapes_pairs(root, "all", "train").read(3)
    assert image.shape == (256, 256, 3)
    assert labels.shape == (256, 256)
    assert image.dtype == labels.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image[:, :240].astype(int) - 40).max() <= 2


def test_every_colour_survives_jpeg_and_void_stays_void(root):
    labels = cityscapes_pairs(root, "all", "test").read(0)[1]
    with Image.open(root / "val" / "1.jpg") as both:
        coded = np.asarray(both)[:, 256:]
    wanted = np.arange(256) // STRIPE % len(COLOURS)
    wanted[wanted >= 19] = IGNORE
    inner = [y for y in range(256) if 2 <= y % STRIPE <= 5]
    assert (coded[inner] != COLOURS[np.arange(256) // STRIPE % 29][inner][:, None]).any()  # JPEG did change them
    assert (labels[inner, 20:] == wanted[inner][:, None]).mean() > 0.99


def test_without_the_colours_of_void_it_would_become_a_class(root, monkeypatch):
    monkeypatch.setattr(module, "_COLOURS", module._COLOURS[:19])
    labels = cityscapes_pairs(root, "all", "test").read(0)[1]
    assert IGNORE not in labels


def test_the_nearest_colour_is_the_nearest():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    far = ((pixels[:, :, None].astype(int) - COLOURS.astype(int)) ** 2).sum(-1)
    assert (nearest_colour(pixels) == far.argmin(-1)).all()
    assert nearest_colour(COLOURS[None]).tolist() == [[*range(29)]]
    assert list(PALETTE).index("pole") == nearest_colour(np.array([[[153, 153, 153]]], np.uint8))[0, 0]


def test_target_looks_at_no_label(root, monkeypatch):
    def forbidden(pixels: np.ndarray) -> np.ndarray:
        raise AssertionError("labels were decoded")

    monkeypatch.setattr(module, "nearest_colour", forbidden)
    image, labels = cityscapes_pairs(root, "all", "target").read(0)
    assert (labels == IGNORE).all()
    assert labels.shape == image.shape[:2]
    with pytest.raises(AssertionError):  # control
        cityscapes_pairs(root, "all", "train").read(0)


@pytest.mark.parametrize("depth", ["cityscapes_data", "cityscapes_data/cityscapes_data"])
def test_the_folders_of_the_archive_are_found(root, tmp_path, depth):
    (tmp_path / "other" / depth).parent.mkdir(parents=True)
    digest = cityscapes_pairs(root, "all", "train").digest()
    root.rename(tmp_path / "other" / depth)
    assert cityscapes_pairs(tmp_path / "other", "all", "train").digest() == digest


def test_a_file_that_is_no_pair_is_named(root):
    Image.fromarray(np.zeros((256, 256, 3), np.uint8)).save(root / "val" / "2.jpg")
    dataset = cityscapes_pairs(root, "all", "test")
    dataset.read(0)
    with pytest.raises(BenchError, match=r"2\.jpg: is 256x256 pixels, not a photo beside its labels \(512x256\)"):
        dataset.read(1)


def test_an_empty_folder_is_an_error(root):
    for path in (root / "val").iterdir():
        path.unlink()
    with pytest.raises(BenchError, match="holds no pairs for split 'test'"):
        cityscapes_pairs(root, "all", "test")
