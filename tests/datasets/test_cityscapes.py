"""Cityscapes: cities, splits, both kinds of label files, code maps."""

from __future__ import annotations

from pathlib import Path

import pytest
import street_trees

from bench.datasets.cityscapes import CITIES, INFO, cityscapes
from bench.spec import IGNORE, BenchError

TRAIN_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return street_trees.cityscapes(tmp_path / "cityscapes")


def names(root: Path, domain: str, split: str, **options: str) -> list[str]:
    dataset = cityscapes(root, domain, split, **options)
    return [dataset.image_name(i) for i in range(len(dataset))]


def aachen(*numbers: int) -> list[str]:
    return [f"aachen_000000_{n:06d}" for n in numbers]


def test_all_cities_choose_by_whole_cities_and_score_on_the_official_val(root):
    assert names(root, "all", "train") == aachen(*range(2, 12))
    assert names(root, "all", "val") == ["ulm_000000_000001", "zurich_000000_000001"]
    assert names(root, "all", "test") == ["frankfurt_000000_000009", "frankfurt_000000_000010"]
    everything = [*aachen(*range(2, 12)), "ulm_000000_000001", "zurich_000000_000001"]
    assert names(root, "all", "target") == names(root, "all", "train", protocol="published") == everything


def test_one_city_is_cut_by_the_order_of_its_frames(root):
    assert names(root, "aachen", "train") == names(root, "aachen", "target") == aachen(*range(2, 9))
    assert names(root, "aachen", "val") == aachen(9)
    assert names(root, "aachen", "test") == aachen(10, 11)
    assert names(root, "frankfurt", "test") == ["frankfurt_000000_000010"]


@pytest.mark.parametrize("city", ["berlin", "augsburg"])
def test_a_city_without_public_labels_is_a_target_alone(root, city):
    assert names(root, city, "target") == [f"{city}_000000_000001"]
    for split in ("train", "val", "test"):
        with pytest.raises(BenchError, match=f"cityscapes/{city} has no public labels.*`target: {city}`"):
            cityscapes(root, city, split)


def test_fifty_cities_of_which_twenty_one_are_labelled():
    count = {part: len(cities.split()) for part, cities in CITIES.items()}
    assert count == {"train": 18, "val": 3, "test": 6, "train_extra": 23}
    assert len(INFO.domains) == len(set(INFO.domains)) == 51
    assert set(INFO.domains) == {"all", *" ".join(CITIES.values()).split()}


def test_label_ids_become_train_ids(root):
    labels = cityscapes(root, "all", "train").read(0)[1].ravel()
    for code in range(34):
        assert labels[code] == (TRAIN_IDS.index(code) if code in TRAIN_IDS else IGNORE)


def test_train_ids_are_read_where_label_ids_are_missing_and_are_the_same_labels(tmp_path):
    codes = [*range(19), 255]
    ready = street_trees.cityscapes(tmp_path / "ready", "labelTrainIds", codes)
    raw = street_trees.cityscapes(tmp_path / "raw", "labelIds", [*TRAIN_IDS, 0])
    got, wanted = (cityscapes(tree, "all", "test").read(1)[1] for tree in (ready, raw))
    assert got.tolist() == wanted.tolist()
    assert got.ravel()[:20].tolist() == codes
    wrong = cityscapes(street_trees.cityscapes(tmp_path / "wrong", "labelIds", codes), "all", "test").read(1)[1]
    assert wrong.tolist() != wanted.tolist()  # control: train ids in a labelIds file are read as label ids


def test_label_ids_win_where_both_lie_there(root):
    before = cityscapes(root, "all", "test").read(0)[1].tolist()
    street_trees.frame(root, "val", "frankfurt", 9, "labelTrainIds", [3])
    assert cityscapes(root, "all", "test").read(0)[1].tolist() == before


def test_shorter_class_lists_ignore_what_they_drop(root):
    labels = cityscapes(root, "all", "train", classes="cityscapes16").read(0)[1].ravel()
    assert labels[[7, 22, 23, 27, 33]].tolist() == [0, IGNORE, 9, IGNORE, 15]  # road terrain sky truck bicycle
    labels = cityscapes(root, "all", "train", classes="cityscapes13").read(0)[1].ravel()
    assert labels[[7, 12, 19, 33]].tolist() == [0, IGNORE, 3, 12]  # road wall light bicycle


def test_images_know_their_city(root):
    assert cityscapes(root, "all", "val").sequence(1) == "zurich"


def test_a_city_whose_masks_are_missing_is_named(root):
    (root / "gtFine" / "train" / "aachen").rename(root / "gone")
    with pytest.raises(BenchError, match=r"gtFine.*aachen.*cannot be read"):
        cityscapes(root, "aachen", "train")
    with pytest.raises(BenchError, match=r"no mask belongs to this file.*and 9 more"):
        cityscapes(root, "all", "train")
