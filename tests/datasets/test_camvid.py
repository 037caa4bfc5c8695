"""CamVid: splits, domains, order, labels, digest; and the real images where they lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.camvid import INFO, camvid
from bench.datasets.checking import faults_of
from bench.spec import IGNORE, BenchError, ExitCode


def names(root: Path, domain: str, split: str) -> list[str]:
    dataset = camvid(root, domain, split)
    return [dataset.image_name(i) for i in range(len(dataset))]


def test_domains_come_from_the_sequence_and_order_is_numeric(camvid_root):
    assert names(camvid_root, "day", "train") == ["0006R0_f9", "0006R0_f10"]
    assert names(camvid_root, "day", "target") == ["0006R0_f9", "0006R0_f10"]
    assert names(camvid_root, "day", "val") == ["0016E5_1"]
    assert names(camvid_root, "day", "test") == ["Seq05VD_f2"]
    assert names(camvid_root, "dusk", "train") == ["0001TP_3", "0001TP_4"]
    assert names(camvid_root, "dusk", "val") == [f"0001TP_{n}" for n in range(5, 17)]
    assert names(camvid_root, "dusk", "target") == [f"0001TP_{n}" for n in range(3, 17)]
    assert names(camvid_root, "dusk", "test") == ["0001TP_99", "0001TP_100"]


def test_every_image_knows_its_drive(camvid_root):
    assert camvid(camvid_root, "day", "test").sequence(0) == "Seq05VD"
    assert camvid(camvid_root, "dusk", "test").sequence(1) == "0001TP"


def test_labels_are_the_codes_with_eleven_ignored(camvid_root):
    image, labels = camvid(camvid_root, "day", "train").read(0)
    assert image.shape == (6, 8, 3)
    assert image.dtype == labels.dtype == np.uint8
    assert labels.ravel()[:13].tolist() == [*range(11), IGNORE, 0]


def test_target_gives_no_label_and_opens_no_mask(camvid_root):
    for mask in (camvid_root / "trainannot").iterdir():
        mask.write_bytes(b"not a mask")
    image, labels = camvid(camvid_root, "dusk", "target").read(0)
    assert (labels == IGNORE).all()
    assert labels.shape == image.shape[:2]
    with pytest.raises(BenchError):  # control: the same frame as training data does open it
        camvid(camvid_root, "dusk", "train").read(0)


def test_photos_may_be_jpeg(camvid_root):
    photo = camvid_root / "test" / "Seq05VD_f2.png"
    with Image.open(photo) as image:
        image.save(photo.with_suffix(".jpg"), quality=95)
    photo.unlink()
    dataset = camvid(camvid_root, "day", "test")
    assert dataset.read(0)[0].shape == (6, 8, 3)
    assert dataset.image_name(0) == "Seq05VD_f2"


def test_digest_follows_bytes_names_and_split_alone(camvid_root, tmp_path):
    def digest(root: Path = camvid_root, split: str = "train") -> str:
        return camvid(root, "day", split).digest()

    first = digest()
    assert digest(shutil.copytree(camvid_root, tmp_path / "elsewhere")) == first
    assert digest(split="test") != first
    assert digest(split="target") != first
    mask = camvid_root / "trainannot" / "0006R0_f9.png"
    before = mask.read_bytes()
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(mask)
    assert digest() != first
    mask.write_bytes(before)
    assert digest() == first
    for folder in ("train", "trainannot"):
        (camvid_root / folder / "0006R0_f9.png").rename(camvid_root / folder / "0006R0_f8.png")
    assert digest() != first


@pytest.mark.parametrize("root", [None, Path("absent/camvid")])
def test_missing_data_says_what_where_and_both_ways_on(root):
    with pytest.raises(BenchError) as caught:
        camvid(root, "day", "train")
    line = str(caught.value)
    assert caught.value.code == ExitCode.DATA
    for word in ("CamVid", "BENCH_DATA", "--data-root", "dataset: landcover"):
        assert word in line
    assert root is None or str(root) in line
    assert "\n" not in line


@pytest.mark.parametrize(("domain", "split", "hint"), [("dsk", "train", "dusk"), ("day", "tets", "test")])
def test_unknown_domain_or_split_names_the_near_one(camvid_root, domain, split, hint):
    with pytest.raises(BenchError, match=hint):
        camvid(camvid_root, domain, split)


def test_a_domain_without_images_is_an_error(camvid_root):
    for folder in ("test", "testannot"):
        (camvid_root / folder / "Seq05VD_f2.png").unlink()
    with pytest.raises(BenchError, match="no images of day") as caught:
        camvid(camvid_root, "day", "test")
    assert caught.value.code == ExitCode.DATA
    assert len(camvid(camvid_root, "dusk", "test")) == 2  # control: the other domain is whole


def test_facts_are_consistent():
    assert INFO.num_classes == len(INFO.palette) == len(set(INFO.palette)) == 11


# ------------------------------------------------------------------ the real images

COUNTS = {
    "day": {"train": 305, "val": 101, "test": 171, "target": 305},
    "dusk": {"train": 50, "val": 12, "test": 62, "target": 62},
}
SEQ05VD = (15.9, 28.8, 1.38, 30.2, 11.2, 7.9, 1.23, 1.37, 1.5, 0.48, 0.08)
"""Percent of labelled pixels per class, counted on the original masks; rounded twice, so up to 0.055 off."""


@pytest.fixture
def real_camvid(real_data: Path) -> Path:
    if not (real_data / "camvid").is_dir():
        pytest.skip("no camvid/ in the folder of real data")
    return real_data / "camvid"


def test_real_counts_per_split(real_camvid):
    counts = {d: {s: len(camvid(real_camvid, d, s)) for s in splits} for d, splits in COUNTS.items()}
    assert counts == COUNTS
    train = camvid(real_camvid, "day", "train")
    assert {train.sequence(i) for i in range(305)} == {"0006R0", "0016E5"}


def test_real_class_shares_of_one_drive(real_camvid):
    dataset = camvid(real_camvid, "day", "test")
    counts = sum(np.bincount(dataset.read(i)[1].ravel(), minlength=256) for i in range(len(dataset)))
    assert counts[IGNORE] / counts.sum() == pytest.approx(0.0273, abs=5e-5)
    shares = 100 * counts[:11] / counts[:11].sum()
    for found, told in zip(shares, SEQ05VD, strict=True):
        assert found == pytest.approx(told, abs=0.055 if told > 1.45 else 0.0055)
    assert faults_of(camvid(real_camvid, "dusk", "val")) == []


def test_real_dusk_is_darker_than_day(real_camvid):
    day, dusk = (camvid(real_camvid, domain, "val") for domain in INFO.domains)
    means = [np.mean([dataset.read(i)[0].mean() for i in range(10)]) for dataset in (day, dusk)]
    assert means[1] < 75 < means[0]
