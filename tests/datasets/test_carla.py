"""CARLA: tags in the red channel, blocks of each recording, class lists; and the real pair where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aerial_trees import carla as draw
from PIL import Image

from bench.datasets.carla import INFO, carla, facts, read_red
from bench.datasets.class_maps import CITYSCAPES19, CLASS_LISTS
from bench.datasets.reading import label_table
from bench.spec import IGNORE, BenchError, ExitCode

SPLITS = ("train", "val", "test", "target")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw(tmp_path / "carla")


def test_a_recording_is_cut_into_blocks_in_numeric_order(root):
    names = {s: [d.image_name(i) for i in range(len(d))] for s in SPLITS for d in [carla(root, "dataA", s)]}
    assert names["train"] == names["target"] == [f"F6-{n}" for n in range(1, 8)]
    assert names["val"] == ["F6-8"]
    assert names["test"] == ["F6-9", "F6-10"]


def test_the_tag_is_the_red_channel(root):
    image, labels = carla(root, "dataA", "train").read(3)
    assert image.shape == (4, 8, 3)
    assert image.max() == 3
    assert labels.ravel()[:14].tolist() == [*range(13), 0]


def test_cityscapes_lists_map_every_tag(root):
    labels = carla(root, "dataA", "test", classes="cityscapes19").read(0)[1]
    words = [CITYSCAPES19[k] if k != IGNORE else "-" for k in labels.ravel()[:13]]
    assert " ".join(words[:9]) == "- building fence - person pole road road sidewalk"
    assert words[9:] == ["vegetation", "car", "wall", "traffic sign"]
    labels = carla(root, "dataA", "test", classes="cityscapes13").read(0)[1]
    assert labels.ravel()[2] == IGNORE  # fences are not among the 13


@pytest.mark.parametrize("classes", ["carla", *CLASS_LISTS])
def test_facts_follow_the_class_list(classes):
    info = facts(classes=classes)
    assert info.domains == INFO.domains
    assert len(info.palette) == len(set(info.palette)) == info.num_classes
    assert info.num_classes == {"carla": 13, "cityscapes19": 19, "cityscapes16": 16, "cityscapes13": 13}[classes]


@pytest.mark.parametrize(("channel", "value"), [(1, 7), (2, 7)])
def test_a_coloured_mask_is_named(root, channel, value):
    mask = root / "dataA/dataA/CameraSeg/F6-9.png"
    pixels = np.array(Image.open(mask))
    pixels[2, 3, channel] = value
    Image.fromarray(pixels).save(mask)
    with pytest.raises(BenchError, match=r"F6-9\.png.*coloured.*CameraSeg's raw tags") as caught:
        carla(root, "dataA", "test").read(0)
    assert caught.value.code == ExitCode.DATA


def test_a_mask_of_plain_numbers_and_a_tag_too_many_are_named(root):
    mask = root / "dataA/dataA/CameraSeg/F6-9.png"
    Image.fromarray(np.zeros((4, 8), np.uint8)).save(mask)
    with pytest.raises(BenchError, match="red channel"):
        carla(root, "dataA", "test").read(0)
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[0, 0, 0] = 13
    Image.fromarray(pixels).save(mask)
    with pytest.raises(BenchError, match="label 13 in 1 pixels"):
        carla(root, "dataA", "test").read(0)


def test_target_opens_no_mask(root):
    for mask in (root / "dataA/dataA/CameraSeg").iterdir():
        mask.write_bytes(b"not a mask")
    assert (carla(root, "dataA", "target").read(0)[1] == IGNORE).all()
    with pytest.raises(BenchError):  # control
        carla(root, "dataA", "train").read(0)


def test_folders_may_be_flat_and_missing_ones_are_told(root, tmp_path):
    flat = tmp_path / "flat" / "dataB"
    flat.parent.mkdir()
    (root / "dataA" / "dataA").rename(flat)
    assert len(carla(flat.parent, "dataB", "train")) == 7
    for place in (root, None):
        with pytest.raises(BenchError, match=r"CARLA.*not found.*BENCH_DATA"):
            carla(place, "dataA", "train")
    with pytest.raises(BenchError, match="no domain 'dataX'"):
        carla(root, "dataX", "train")


def test_too_few_frames_for_a_split_are_an_error(tmp_path):
    root = draw(tmp_path, frames=3)
    with pytest.raises(BenchError, match="no images for split 'val'"):
        carla(root, "dataA", "val")
    assert len(carla(root, "dataA", "train")) == 2


def test_the_real_pair_holds_every_tag(real_data):
    pair = real_data / "samples" / "carla"
    if not pair.is_dir():
        pytest.skip("no samples/carla in the folder of real data")
    labels = read_red(pair / "seg.png", (600, 800), table=label_table({k: k for k in range(13)}))
    assert np.unique(labels).tolist() == list(range(13))
    with pytest.raises(BenchError, match="coloured"):  # control: the photo is no mask
        read_red(pair / "rgb.png", (600, 800), table=label_table({k: k for k in range(13)}))
