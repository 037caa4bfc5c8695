"""Damaged data: every planted fault is named by its file, before training, and hidden files are no fault."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.camvid import camvid
from bench.datasets.checking import faults_of
from bench.datasets.loveda import loveda
from bench.datasets.reading import MAX_PIXELS, label_table, read_image, read_labels
from bench.spec import BenchError, ExitCode


def save(values: np.ndarray, path: Path) -> Path:
    Image.fromarray(values).save(path)
    return path


def missing_mask(photo: Path, mask: Path) -> Path:
    mask.unlink()
    return photo


def missing_photo(photo: Path, mask: Path) -> Path:
    photo.unlink()
    return mask


def unequal_sizes(photo: Path, mask: Path) -> Path:
    return save(np.ones((6, 9), np.uint8), mask)


def label_200(photo: Path, mask: Path) -> Path:
    return save(np.full((6, 8), 200, np.uint8), mask)


def colour_mask(photo: Path, mask: Path) -> Path:
    return save(np.ones((6, 8, 3), np.uint8), mask)


def palette_mask(photo: Path, mask: Path) -> Path:
    image = Image.fromarray(np.full((6, 8), 77, np.uint8)).convert("P")
    image.putdata([77] * 48)
    image.save(mask)
    return mask


def sixteen_bit_mask(photo: Path, mask: Path) -> Path:
    return save(np.ones((6, 8), np.uint16), mask)


def truncated_photo(photo: Path, mask: Path) -> Path:
    whole = save(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), photo).read_bytes()
    photo.write_bytes(whole[: len(whole) // 2])
    return photo


def empty_photo(photo: Path, mask: Path) -> Path:
    photo.write_bytes(b"")
    return photo


def same_stem_twice(photo: Path, mask: Path) -> Path:
    return save(np.ones((6, 8, 3), np.uint8), photo.with_suffix(".jpg"))


def text_for_photo(photo: Path, mask: Path) -> Path:
    photo.write_text("<html>404</html>")
    return photo


def folder_for_mask(photo: Path, mask: Path) -> Path:
    mask.unlink()
    mask.mkdir()
    return photo


PLANTED: dict[Callable[[Path, Path], Path], str] = {
    missing_mask: "no mask",
    missing_photo: "no photo",
    unequal_sizes: "9x6",
    label_200: "200",
    colour_mask: "RGB",
    palette_mask: "77",
    sixteen_bit_mask: "I;16",
    truncated_photo: "truncated",
    empty_photo: "empty",
    same_stem_twice: "same name",
    text_for_photo: "neither a PNG nor a JPEG nor a TIFF",
    folder_for_mask: "no mask",
}


def found(build: Callable[[], object]) -> list[BenchError]:
    try:
        return faults_of(build())  # type: ignore[arg-type]
    except BenchError as error:
        return [error]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_every_fault_is_named_by_its_file(loveda_root, plant):
    def build() -> object:
        return loveda(loveda_root, "urban", "train")

    assert found(build) == []  # control: the tree is whole before
    folder = loveda_root / "Train" / "Urban"
    culprit = plant(folder / "images_png" / "9.png", folder / "masks_png" / "9.png")
    (error,) = found(build)
    assert {Path(str(error.file)).stem, Path(str(error.file)).parent} == {culprit.stem, culprit.parent}
    assert PLANTED[plant] in str(error)
    assert error.code == ExitCode.DATA
    assert "\n" not in str(error)


def test_all_faults_are_listed_up_to_the_limit(loveda_root):
    for number in (2, 9, 10):
        (loveda_root / "Train" / "Urban" / "images_png" / f"{number}.png").write_bytes(b"")
    dataset = loveda(loveda_root, "urban", "train")
    assert [Path(str(error.file)).stem for error in faults_of(dataset)] == ["2", "9", "10"]
    assert len(faults_of(dataset, limit=2)) == 2


def test_the_first_lonely_file_counts_the_others(loveda_root):
    for number in (2, 10):
        (loveda_root / "Train" / "Urban" / "masks_png" / f"{number}.png").unlink()
    with pytest.raises(BenchError, match=r"2\.png.*and 1 more"):
        loveda(loveda_root, "urban", "train")


def test_hidden_files_are_no_data(loveda_root):
    folder = loveda_root / "Train" / "Urban" / "images_png"
    before = loveda(loveda_root, "urban", "train").digest()
    for name in ("._2.png", ".DS_Store", "Thumbs.db", "notes.txt"):
        (folder / name).write_bytes(b"\0")
    assert loveda(loveda_root, "urban", "train").digest() == before
    (folder / "_2.png").write_bytes(b"\0")  # control: an ordinary name counts
    with pytest.raises(BenchError, match="no mask"):
        loveda(loveda_root, "urban", "train")


def test_a_file_that_breaks_later_fails_the_read_with_its_path(camvid_root):
    dataset = camvid(camvid_root, "day", "train")
    dataset.read(0)
    (camvid_root / "train" / "0006R0_f9.png").unlink()
    with pytest.raises(BenchError, match=r"0006R0_f9\.png.*No such file"):
        dataset.read(0)


def claimed_png(side: int) -> bytes:
    """A PNG that claims side x side pixels and holds none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8193, 13_500, 20_000])
def test_huge_images_are_refused_by_their_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(claimed_png(side))
    for read in (read_image, lambda p: read_labels(p, label_table({0: 0}), (side, side))):
        with pytest.raises(BenchError, match=f"{side}x{side} pixels are more than 64 megapixels"):
            read(path)
    path.write_bytes(claimed_png(16))  # control: the same file of a modest size fails for its lack of pixels
    with pytest.raises(BenchError, match="truncated"):
        read_image(path)
    assert side * side > MAX_PIXELS


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_damaged_bytes_never_raise_anything_else(tmp_path, format):
    rng = np.random.default_rng(1)
    path = tmp_path / "photo"
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(path, format)
    whole, errors = path.read_bytes(), []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            read_image(path)
        except BenchError as error:
            errors.append(error)
    assert errors
    assert {error.file for error in errors} == {path}


def test_photos_come_as_rgb_whatever_they_were(tmp_path):
    grey = save(np.full((2, 3), 9, np.uint8), tmp_path / "grey.png")
    assert read_image(grey).tolist() == np.full((2, 3, 3), 9).tolist()
    clear = save(np.full((2, 3, 4), 9, np.uint8), tmp_path / "clear.png")
    assert read_image(clear).shape == (2, 3, 3)
    deep = save(np.full((2, 3), 9, np.uint16), tmp_path / "deep.png")
    with pytest.raises(BenchError, match="8-bit"):
        read_image(deep)


def test_palette_masks_count_by_index(tmp_path):
    image = Image.new("P", (3, 2))
    image.putpalette([200, 10, 10, 0, 0, 0, 5, 5, 5])
    image.putdata([0, 1, 2, 2, 1, 0])
    image.save(tmp_path / "mask.png")
    labels = read_labels(tmp_path / "mask.png", label_table({0: 255, 1: 0, 2: 1}), (2, 3))
    assert labels.tolist() == [[255, 0, 1], [1, 0, 255]]
