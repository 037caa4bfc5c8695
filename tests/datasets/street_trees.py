"""Small trees of the street-scene datasets in their publishers' layouts, drawn by the tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.class_maps import PALETTE, VOID_PALETTE

SIZE = (6, 8)
TRAIN_IDS = (*range(19), 255)


def save(values: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def photo(path: Path, size: tuple[int, int] = SIZE) -> Path:
    """A photo of one colour that depends on its name."""
    return save(np.full((*size, 3), sum(path.stem.encode()) % 256, np.uint8), path)


def repeated(codes: Iterable[int], size: tuple[int, int] = SIZE) -> np.ndarray:
    """The codes one after another, over and over, as uint8 (H, W)."""
    known = np.array(list(codes), np.uint8)
    return known[np.arange(size[0] * size[1]) % len(known)].reshape(size)


def mask(path: Path, codes: Iterable[int], size: tuple[int, int] = SIZE) -> Path:
    return save(repeated(codes, size), path)


# ------------------------------------------------------------------ cityscapes, acdc, dark_zurich


def frame(
    root: Path, part: str, city: str, number: int, kind: str = "labelIds", codes: Iterable[int] = range(34)
) -> None:
    """One Cityscapes frame and its mask of that kind, with the files that lie beside them."""
    name = f"{city}_000000_{number:06d}"
    photo(root / "leftImg8bit" / part / city / f"{name}_leftImg8bit.png")
    if part != "train_extra":
        labels = root / "gtFine" / part / city
        mask(labels / f"{name}_gtFine_{kind}.png", codes)
        mask(labels / f"{name}_gtFine_instanceIds.png", range(9))
        photo(labels / f"{name}_gtFine_color.png")
        (labels / f"{name}_gtFine_polygons.json").write_text("{}")


def cityscapes(root: Path, kind: str = "labelIds", codes: Iterable[int] = range(34)) -> Path:
    """Ten frames of aachen, one of ulm and one of zurich; two of frankfurt; one of a city without public labels."""
    for number in range(2, 12):
        frame(root, "train", "aachen", number, kind, codes)
    for part, city, numbers in (
        ("train", "ulm", [1]),
        ("train", "zurich", [1]),
        ("val", "frankfurt", [9, 10]),
        ("test", "berlin", [1]),
        ("train_extra", "augsburg", [1]),
    ):
        for number in numbers:
            frame(root, part, city, number, kind, codes)
    return root


def drive_frame(root: Path, place: str, drive: str, number: int, labelled: bool = True) -> None:
    """One frame as ACDC and Dark Zurich name theirs."""
    name = f"{drive}_frame_{number:06d}"
    photo(root / "rgb_anon" / place / drive / f"{name}_rgb_anon.png")
    if labelled:
        mask(root / "gt" / place / drive / f"{name}_gt_labelTrainIds.png", TRAIN_IDS)
        mask(root / "gt" / place / drive / f"{name}_gt_labelIds.png", range(34))


def acdc(root: Path) -> Path:
    """Of every condition two drives of train with four frames and one of val with two."""
    for condition in ("fog", "night", "rain", "snow"):
        for drive, numbers in (("GOPR9", range(1, 4)), ("GP10", range(9, 12))):
            for number in numbers:
                drive_frame(root, f"{condition}/train", drive, number)
                drive_frame(root, f"{condition}/train_ref", drive, number, labelled=False)
        for number in (9, 10):
            drive_frame(root, f"{condition}/val", "GOPR2", number)
    return root


def dark_zurich(root: Path) -> Path:
    """Two unlabelled frames of every time of day, and two labelled ones by night."""
    for number in (9, 10):
        for time in ("day", "night", "twilight"):
            drive_frame(root, f"train/{time}", "GOPR1", number, labelled=False)
        drive_frame(root, "val/night", "GOPR0356", number)
    return root


# ------------------------------------------------------------------ gta5, synthia, cityscapes_pairs


def gta5(root: Path) -> Path:
    """Numbers of every split, two frames whose sizes differ from the others', and the two broken ones."""
    for number in (1, 2, 10, 2249, 2250, 2499, 4750, 24966):
        size = (5, 9) if number in (2, 10) else SIZE
        photo(root / "images" / f"{number:05d}.png", size)
        labels = Image.fromarray(repeated(range(35), size)).convert("P")
        labels.putdata(repeated(range(35), size).ravel().tolist())
        labels.putpalette([(7 * k + 3) % 256 for k in range(768)])
        (root / "labels").mkdir(parents=True, exist_ok=True)
        labels.save(root / "labels" / f"{number:05d}.png")
    for number in (15188, 17705):
        photo(root / "images" / f"{number}.png")
        mask(root / "labels" / f"{number}.png", range(35), (3, 3))
    return root


def synthia(root: Path) -> Path:
    """Numbers of every split, with an instance number above 255 in the second channel."""
    for number in (0, 2, 10, 899, 900, 1900):
        photo(root / "RGB" / f"{number:07d}.png")
        path = root / "GT" / "LABELS" / f"{number:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        classes = repeated(range(23)).astype(np.uint16)
        path.write_bytes(png_16_bit(np.stack([classes, classes * 997, classes * 0], -1)))
    return root


def png_16_bit(values: np.ndarray, filters: tuple[int, ...] = (0,)) -> bytes:
    """A 16-bit RGB PNG of uint16 (H, W, 3), its rows filtered by these types in turn."""
    height, width, channels = values.shape
    step, before, rows = channels * 2, bytes(width * channels * 2), b""
    for y in range(height):
        row, kind = values[y].astype(">u2").tobytes(), filters[y % len(filters)]
        rows += bytes([kind])
        for i, value in enumerate(row):
            left, up = row[i - step] if i >= step else 0, before[i]
            corner = before[i - step] if i >= step else 0
            distances = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
            paeth = (left, up, corner)[distances.index(min(distances))]
            rows += bytes([(value - (0, left, up, (left + up) // 2, paeth)[kind]) % 256])
        before = row
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


STRIPE = 8
"""Rows of one colour in the labels of a pair."""


def pair_colours() -> list[tuple[int, int, int]]:
    return [*PALETTE.values(), *VOID_PALETTE.values()]


def cityscapes_pairs(root: Path, quality: int = 75) -> Path:
    """Twelve pairs of train and two of val whose labels are stripes of every official colour."""
    colours = np.array(pair_colours(), np.uint8)
    labels = colours[np.arange(256) // STRIPE % len(colours)][:, None].repeat(256, 1)
    for part, numbers in (("train", range(1, 13)), ("val", (1, 2))):
        for number in numbers:
            left = np.full((256, 256, 3), 10 * number, np.uint8)
            path = root / part / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate([left, labels], 1)).save(path, quality=quality)
    return root
