"""LoveDA: layout, splits, protocols, labels; and one real tile where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.loveda import INFO, loveda
from bench.spec import IGNORE, BenchError, ExitCode


def names(root: Path, split: str, **options: str) -> list[str]:
    dataset = loveda(root, "rural", split, **options)
    return [dataset.image_name(i) for i in range(len(dataset))]


def test_splits_and_numeric_order(loveda_root):
    assert names(loveda_root, "train") == ["2", "9", "10"]
    assert names(loveda_root, "val") == names(loveda_root, "test") == ["11", "12"]


def test_target_is_held_out_unless_the_official_protocol_is_asked_for(loveda_root):
    assert names(loveda_root, "target") == ["2", "9", "10"]
    assert names(loveda_root, "target", protocol="official") == ["11", "12"]
    assert names(loveda_root, "train", protocol="official") == ["2", "9", "10"]
    labels = loveda(loveda_root, "rural", "target", protocol="official").read(0)[1]
    assert (labels == IGNORE).all()


def test_labels_start_at_one_and_no_data_is_ignored(loveda_root):
    labels = loveda(loveda_root, "urban", "train").read(0)[1]
    assert labels.ravel()[:9].tolist() == [IGNORE, 0, 1, 2, 3, 4, 5, 6, IGNORE]


def test_nested_unpacking_is_the_same_data(loveda_root):
    flat = loveda(loveda_root, "urban", "train").digest()
    (loveda_root / "Train").rename(loveda_root / "inner")
    (loveda_root / "Train").mkdir()
    (loveda_root / "inner").rename(loveda_root / "Train" / "Train")
    assert loveda(loveda_root, "urban", "train").digest() == flat


def test_domains_are_two_folders(loveda_root):
    photo = loveda_root / "Train" / "Urban" / "images_png" / "2.png"
    Image.fromarray(np.full((6, 8, 3), 7, np.uint8)).save(photo)
    assert loveda(loveda_root, "urban", "train").read(0)[0].max() == 7
    assert loveda(loveda_root, "rural", "train").read(0)[0].max() != 7


@pytest.mark.parametrize("root", [None, Path("absent/loveda")])
def test_missing_data_is_one_line(root):
    with pytest.raises(BenchError, match=r"LoveDA was not found.*BENCH_DATA.*--data-root.*landcover") as caught:
        loveda(root, "urban", "train")
    assert caught.value.code == ExitCode.DATA


def test_empty_folder_is_an_error(loveda_root):
    for folder in ("images_png", "masks_png"):
        for path in (loveda_root / "Val" / "Urban" / folder).iterdir():
            path.unlink()
    with pytest.raises(BenchError, match="holds no images"):
        loveda(loveda_root, "urban", "test")
    assert len(loveda(loveda_root, "rural", "test")) == 2  # control


def test_a_folder_without_masks_is_an_error_that_names_it(loveda_root):
    (loveda_root / "Val" / "Urban" / "masks_png").rename(loveda_root / "Val" / "Urban" / "gone")
    with pytest.raises(BenchError, match="masks_png"):
        loveda(loveda_root, "urban", "test")


def test_facts_are_consistent():
    assert INFO.num_classes == len(INFO.palette) == len(set(INFO.palette)) == 7


def test_real_tile_has_the_documented_codes(real_data, tmp_path):
    sample = real_data / "samples" / "loveda"
    if not sample.is_dir():
        pytest.skip("no samples/loveda in the folder of real data")
    for folder, name in (("images_png", "image.png"), ("masks_png", "mask.png")):
        (tmp_path / "Train" / "Rural" / folder).mkdir(parents=True)
        (tmp_path / "Train" / "Rural" / folder / "0.png").symlink_to(sample / name)
    image, labels = loveda(tmp_path, "rural", "train").read(0)
    assert image.shape == (1024, 1024, 3)
    counts = np.bincount(labels.ravel(), minlength=7)
    assert counts.tolist() == [142441, 14427, 19208, 3888, 0, 0, 868612]  # background .. agriculture
