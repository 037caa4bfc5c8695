"""ACDC: conditions, whole drives to choose by, train ids."""

from __future__ import annotations

from pathlib import Path

import pytest
import street_trees

from bench.datasets.acdc import INFO, acdc
from bench.datasets.drives import hold_out
from bench.datasets.folders import Sample
from bench.spec import IGNORE, BenchError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return street_trees.acdc(tmp_path / "acdc")


def names(root: Path, split: str, **options: str) -> list[str]:
    dataset = acdc(root, "fog", split, **options)
    return [dataset.image_name(i) for i in range(len(dataset))]


GP10 = [f"GP10_frame_{n:06d}" for n in (9, 10, 11)]
GOPR9 = [f"GOPR9_frame_{n:06d}" for n in (1, 2, 3)]


def test_splits_by_whole_drives(root):
    assert names(root, "train") == GOPR9
    assert names(root, "val") == GP10
    assert names(root, "test") == ["GOPR2_frame_000009", "GOPR2_frame_000010"]
    assert names(root, "target") == names(root, "train", protocol="published") == [*GOPR9, *GP10]


def test_conditions_are_four_folders(root):
    assert INFO.domains == ("fog", "night", "rain", "snow")
    for domain in INFO.domains:
        assert {f"/{domain}/" in str(s.image) for s in acdc(root, domain, "test").samples} == {True}


def test_train_ids_are_the_labels_and_255_is_ignored(root):
    labels = acdc(root, "rain", "train").read(0)[1].ravel()
    assert labels[:20].tolist() == [*range(19), IGNORE]
    labels = acdc(root, "rain", "train", classes="cityscapes16").read(0)[1].ravel()
    assert labels[:20].tolist() == [*range(9), IGNORE, *range(9, 13), IGNORE, 13, IGNORE, 14, 15, IGNORE]


def test_label_ids_in_their_place_are_refused(root):
    mask = acdc(root, "rain", "train").samples[0].mask
    assert mask
    street_trees.mask(mask, range(34))
    with pytest.raises(BenchError, match="label 19 in"):
        acdc(root, "rain", "train").read(0)


def test_images_know_their_drive(root):
    assert acdc(root, "snow", "val").sequence(0) == "GP10"


def held(*drives: int) -> list[int]:
    """How many samples of each drive are val, for drives of so many samples."""
    found = tuple(Sample("", Path(f"{k}/x.png"), None) for k, n in enumerate(drives) for _ in range(n))
    train, val = hold_out(found, "train"), hold_out(found, "val")
    assert train + val == found
    return [sum(s.image.parent.name == str(k) for s in val) for k in range(len(drives))]


def test_held_out_are_the_last_whole_drives_that_make_a_tenth():
    assert held(50, 40, 10) == [0, 0, 10]
    assert held(50, 41, 9) == [0, 41, 9]
    assert held(89, 8, 2, 1) == [0, 8, 2, 1]
    assert held(95, 3, 2) == [0, 3, 2]  # the first drive is never val
    assert held(95) == [10]  # one drive: its end
    assert held(174, 96, 316, 154, 85, 221, 109, 248, 196, 119, 99, 94, 365, 196, 144, 95, 142, 122)[-4:] == [
        0,
        95,
        142,
        122,
    ]  # Cityscapes: ulm, weimar, zurich
