"""A small tree of photos and masks, and a dataset over it that counts what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.folders import MASKS, PHOTOS, FolderDataset, list_files, samples
from bench.datasets.reading import label_table
from bench.spec import IGNORE, DatasetInfo

CLASSES = 5
SIZE = (12, 16)
INFO = DatasetInfo(
    name="small",
    label="Small",
    domains=("here",),
    class_names=tuple("abcde"),
    palette=tuple((k, k, k) for k in range(CLASSES)),
    licence="",
    source="",
    needs_files=True,
)
TABLE = label_table({**{k: k for k in range(CLASSES)}, CLASSES: IGNORE})


def draw(root: Path, name: str, seed: int, size: tuple[int, int] = SIZE) -> None:
    """One photo and its mask; equal sizes give files of almost equal size."""
    rng = np.random.default_rng(seed)
    for folder, top, shape in (("photos", 256, (*size, 3)), ("masks", CLASSES + 1, size)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(top, size=shape, dtype=np.uint8)).save(root / folder / f"{name}.png")


def tree(root: Path, number: int = 6) -> Path:
    for i in range(number):
        draw(root, f"p{i}", i)
    return root


class Counting(FolderDataset):
    """Tells which images were decoded and which were hashed."""

    @property
    def decoded(self) -> list[str]:
        return self.__dict__.setdefault("_decoded", [])

    @property
    def hashed(self) -> list[str]:
        return self.__dict__.setdefault("_hashed", [])

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.decoded.append(self.image_name(index))
        return super().read(index)

    def file_digests(self, index: int) -> tuple[bytes, ...]:
        self.hashed.append(self.image_name(index))
        return super().file_digests(index)


def dataset(root: Path) -> Counting:
    found = samples(list_files(root / "photos", PHOTOS), list_files(root / "masks", MASKS))
    return Counting(INFO, "here", "train", found, TABLE)
