"""Potsdam: colours, tiles, bands, black boundaries; crops as mmsegmentation writes them; TIFF of a tile's size."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from aerial_trees import BLACK, mask
from aerial_trees import potsdam as draw
from PIL import Image

from bench.datasets.colours import ROWS, colour_table, read_colours
from bench.datasets.potsdam import TEST, TRAIN, potsdam
from bench.datasets.reading import MAX_PIXELS, read_image
from bench.spec import IGNORE, BenchError, ExitCode


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw(tmp_path / "potsdam")


def test_splits_are_the_documented_tiles():
    assert (len(TRAIN), len(TEST), len({*TRAIN, *TEST})) == (24, 14, 38)


@pytest.mark.parametrize(("domain", "value"), [("rgb", 0), ("irrg", 100)])
def test_a_domain_is_a_band_combination(root, domain, value):
    train = potsdam(root, domain, "train")
    assert [train.image_name(i) for i in range(24)] == list(TRAIN)
    image, labels = train.read(2)
    assert (image == value + 2).all()
    assert labels.ravel().tolist() == [*range(6), *[0] * 18]
    tests = {split: potsdam(root, domain, split) for split in ("val", "test", "target")}
    assert [tests["test"].image_name(i) for i in range(14)] == list(TEST)
    assert tests["val"].samples == tests["test"].samples
    assert [sample.mask for sample in tests["target"].samples] == [None] * 24


def test_black_is_ignored_only_where_it_is_asked_for(root):
    labels = potsdam(root, "rgb", "train", labels="no_boundary").read(0)[1]
    assert labels.ravel()[:7].tolist() == [IGNORE, 1, 2, 3, 4, 5, 0]
    mask(BLACK).save(root / "5_Labels_all" / "top_potsdam_2_10_label.tif")
    with pytest.raises(BenchError, match=r"2_10_label\.tif: colour 0,0,0 in 1 pixels.*labels: no_boundary"):
        potsdam(root, "rgb", "train").read(0)


def test_another_colour_is_named_with_its_file(root):
    mask((0, 0, 255), (252, 255, 0), (252, 255, 0)).save(root / "5_Labels_all" / "top_potsdam_4_12_label.tif")
    data = potsdam(root, "rgb", "train")
    with pytest.raises(BenchError, match=r"4_12_label\.tif: colour 252,255,0 in 2 pixels") as caught:
        data.read(TRAIN.index("4_12"))
    assert caught.value.code == ExitCode.DATA


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ("2_Ortho_RGB/top_potsdam_3_10_RGB.tif", "tile 3_10 is not there"),
        ("5_Labels_all/top_potsdam_3_10_label.tif", "no mask belongs"),
    ],
)
def test_a_missing_tile_is_an_error(root, missing, word):
    (root / missing).unlink()
    with pytest.raises(BenchError, match=word):
        potsdam(root, "rgb", "train")
    assert len(potsdam(root, "rgb", "test")) == 14  # control: another split is whole


def test_crops_are_class_numbers_from_one(tmp_path):
    for part, count in (("train", 3), ("val", 2)):
        for kind in ("img_dir", "ann_dir"):
            (tmp_path / kind / part).mkdir(parents=True)
        for n in range(count):
            name = f"2_10_{n * 512}_0_{n * 512 + 512}_512.png"
            Image.fromarray(np.full((2, 4, 3), 9, np.uint8)).save(tmp_path / "img_dir" / part / name)
            Image.fromarray(np.arange(8, dtype=np.uint8).reshape(2, 4) % 7).save(tmp_path / "ann_dir" / part / name)
    data = potsdam(tmp_path, "rgb", "train", labels="no_boundary")
    assert data.read(2)[1].ravel().tolist() == [IGNORE, 0, 1, 2, 3, 4, 5, IGNORE]
    assert [len(potsdam(tmp_path, "rgb", s)) for s in ("train", "val", "test", "target")] == [3, 2, 2, 3]
    with pytest.raises(BenchError, match=r"label 0 in 2 pixels.*no_boundary"):
        potsdam(tmp_path, "rgb", "train").read(0)
    with pytest.raises(BenchError, match="RGB tiles"):
        potsdam(tmp_path, "irrg", "train")


def test_missing_data_is_told(tmp_path):
    for place in (None, tmp_path):
        with pytest.raises(BenchError, match=r"Potsdam was not found.*BENCH_DATA"):
            potsdam(place, "rgb", "train")


# ------------------------------------------------------------------ files


def test_colours_beyond_one_band_of_rows_are_translated(tmp_path):
    table = colour_table({(1, 2, 3): 4, (3, 2, 1): 5})
    pixels = np.full((2 * ROWS + 3, 2, 3), (1, 2, 3), np.uint8)
    pixels[-1, 1] = (3, 2, 1)
    Image.fromarray(pixels).save(tmp_path / "m.png")
    labels = read_colours(tmp_path / "m.png", pixels.shape[:2], table=table)
    assert (labels[-1, 1], np.count_nonzero(labels == 4)) == (5, labels.size - 1)


def claim(path: Path, width: int, height: int) -> Path:
    """A TIFF that claims this size in its header; big files are refused before any pixel is asked for."""
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 1)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory + b"\0\0\0\0")
    return path


def test_a_tiff_bomb_is_refused_by_its_header_and_a_real_tile_is_not(tmp_path):
    with pytest.raises(BenchError, match="9000x9000 pixels are more than 64 megapixels"):
        read_image(claim(tmp_path / "bomb.tif", 9000, 9000))
    with pytest.raises(BenchError, match="cannot be"):  # control: this size passes, and then there are no pixels
        read_image(claim(tmp_path / "tile.tif", 6000, 6000))
    assert MAX_PIXELS > 6000 * 6000


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_is_read_like_png_and_half_of_it_is_named(tmp_path, compression):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    assert (read_image(tmp_path / "a.tif") == pixels).all()
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BenchError, match=r"a\.tif"):
        read_image(tmp_path / "a.tif")
