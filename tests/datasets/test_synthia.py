"""SYNTHIA: 16-bit masks to the bit, whatever filter wrote them; splits by number; class lists."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import street_trees
from PIL import Image
from street_trees import png_16_bit

from bench.datasets.numbered import part_of
from bench.datasets.synthia import BLOCK, read_classes, synthia
from bench.spec import IGNORE, BenchError

SIZE = street_trees.SIZE
NONE, SUB, UP, AVERAGE, PAETH = range(5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return street_trees.synthia(tmp_path / "synthia")


def numbers(root: Path, split: str) -> list[int]:
    dataset = synthia(root, "rendered", split)
    return [int(dataset.image_name(i)) for i in range(len(dataset))]


def drawn() -> np.ndarray:
    """Codes below 256 in the first channel and any 16 bits in the others, uint16 (9, 7, 3)."""
    values = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    values[..., 0] &= 255
    return values


def test_splits_follow_the_number_alone(root):
    assert numbers(root, "train") == numbers(root, "target") == [0, 2, 10, 899]
    assert (numbers(root, "val"), numbers(root, "test")) == ([900], [1900])
    assert Counter(part_of(n, BLOCK) for n in range(9400)) == {"train": 8500, "val": 500, "test": 400}


@pytest.mark.parametrize("filters", [(NONE,), (SUB,), (UP,), (AVERAGE,), (PAETH,), (PAETH, NONE, UP, AVERAGE, SUB)])
def test_the_first_channel_is_read_to_the_bit(tmp_path, filters):
    values = drawn()
    path = tmp_path / "mask.png"
    path.write_bytes(png_16_bit(values, filters))
    got = read_classes(path, (9, 7))
    assert got.dtype == np.uint8
    assert (got == values[..., 0]).all()


def test_pillow_alone_reads_every_class_as_zero(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(png_16_bit(drawn()))
    with Image.open(path) as image:  # control: this is the trap
        assert not np.asarray(image)[..., 0].any()


def test_a_code_above_255_is_not_cut_down_to_a_class(tmp_path):
    values = drawn() % 23
    values[3, 4, 0] = 256 + 3
    path = tmp_path / "mask.png"
    path.write_bytes(png_16_bit(values))
    with pytest.raises(BenchError, match="its first channel holds 259, which is no class"):
        read_classes(path, (9, 7))


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (9, 7, 4)])
def test_eight_bits_are_refused(tmp_path, shape):
    path = street_trees.save(np.ones(shape, np.uint8), tmp_path / "mask.png")
    with pytest.raises(BenchError, match=r"mask\.png: .*16") as caught:
        read_classes(path, (9, 7))
    assert "restore GT/LABELS" in str(caught.value)


def test_a_damaged_file_is_one_error(tmp_path):
    whole = png_16_bit(drawn(), (PAETH,))
    path = tmp_path / "mask.png"
    for cut in (0, 4, 20, 60, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(BenchError, match=r"mask\.png"):
            read_classes(path, (9, 7))
    assert zlib.crc32(whole)  # the file itself is sound: read above


def test_codes_become_the_sixteen_or_thirteen_classes(root):
    labels = synthia(root, "rendered", "train").read(0)[1].ravel()[:23].tolist()
    void, terrain, truck, train = [0, 13, 14, 22], 16, 18, 20
    assert [code for code in range(23) if labels[code] == IGNORE] == sorted([*void, terrain, truck, train])
    assert [labels[code] for code in (3, 4, 2, 21, 5, 7, 15, 9, 6, 1, 10, 17, 8, 19, 12, 11)] == [*range(16)]
    short = synthia(root, "rendered", "train", classes="cityscapes13").read(0)[1].ravel()[:23].tolist()
    assert [short[code] for code in (3, 4, 2, 15, 9, 6, 1, 10, 17, 8, 19, 12, 11)] == [*range(13)]
    assert [short[code] for code in (21, 5, 7)] == [IGNORE] * 3
