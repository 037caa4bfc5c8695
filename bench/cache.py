"""A dataset's split -> uint8 tensors, decoded once, on the device when they fit: decoding never meets the hot path."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.spec import BenchError, Dataset, ExitCode, Size

RESIDENT_SHARE = 0.4
"""A split moves to the device whole when it takes at most this share of the memory that is free there."""


@dataclass(frozen=True)
class Split:
    """All images and labels of one domain and split, in the dataset's order.

    `images` uint8 (N, 3, h, w); `labels` uint8 (N, H, W) in 0..K-1 or IGNORE, at the images' size or, for scoring, at
    the size the labels have on disk; `digest` is the dataset's.
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def nbytes(self) -> int:
        return self.images.nbytes + self.labels.nbytes


def read_split(
    dataset: Dataset,
    *,
    resize_px: Size | None = None,
    native_labels: bool = False,
    workers: int = 2,
    tick: Callable[[], None] = lambda: None,
) -> Split:
    """Decode every image and label of `dataset` into host memory, `workers` at a time; `tick` is called for each.

    `resize_px` (height, width) resizes images (bilinear, antialiased) and, unless `native_labels`, labels (nearest).
    Everything wrong with the data is found here, before the first training step.  Raises BenchError (code DATA).
    """
    place = f"{dataset.info.name}/{dataset.domain}"
    if len(dataset) == 0:
        raise BenchError(
            f"{dataset.info.name}/{dataset.domain} has no images in split '{dataset.split}'", code=ExitCode.DATA
        )
    image, label = _sized(*dataset.read(0), resize_px, native_labels)
    images = np.empty((len(dataset), 3, *image.shape[:2]), np.uint8)
    labels = np.empty((len(dataset), *label.shape), np.uint8)

    def decode(index: int) -> None:
        pixels, codes = _sized(*dataset.read(index), resize_px, native_labels)
        for what, got, wanted in (("image", pixels.shape[:2], image.shape[:2]), ("label", codes.shape, label.shape)):
            if got != wanted:
                raise BenchError(
                    f"{what} '{dataset.image_name(index)}' of {place} is {got[1]}x{got[0]}, the first of them "
                    f"{wanted[1]}x{wanted[0]}",
                    remedy="set `resize_px` to bring them to one size",
                    key="resize_px",
                    code=ExitCode.DATA,
                )
        images[index] = pixels.transpose(2, 0, 1)
        labels[index] = codes
        tick()

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(decode, range(len(dataset))):
            pass
    names = tuple(dataset.image_name(i) for i in range(len(dataset)))
    return Split(torch.from_numpy(images), torch.from_numpy(labels), names, dataset.digest())


def _sized(image: np.ndarray, label: np.ndarray, size: Size | None, native: bool) -> tuple[np.ndarray, np.ndarray]:
    if size is None:
        return image, label
    height, width = size
    if image.shape[:2] != size:
        image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    if label.shape != size and not native:
        label = np.asarray(Image.fromarray(label).resize((width, height), Image.Resampling.NEAREST))
    return image, label


def resident(split: Split, device: torch.device) -> Split:
    """`split` on `device` when it fits beside the training, otherwise in pinned host memory; on CPU as it is."""
    if device.type != "cuda":
        return split
    free, _ = torch.cuda.mem_get_info(device)
    if split.nbytes <= RESIDENT_SHARE * free:
        return Split(split.images.to(device), split.labels.to(device), split.names, split.digest)
    return Split(split.images.pin_memory(), split.labels.pin_memory(), split.names, split.digest)


class Cache:
    """The splits read so far by this process, oldest dropped first beyond `budget_bytes`."""

    def __init__(self, budget_bytes: int = 4 << 30) -> None:
        self.budget_bytes = budget_bytes
        self._splits: dict[tuple[object, ...], Split] = {}

    def get(self, key: tuple[object, ...], read: Callable[[], Split]) -> Split:
        """The split under `key`, from memory or from `read()`."""
        split = self._splits.pop(key, None) or read()
        self._splits[key] = split  # newest last
        while len(self._splits) > 1 and sum(s.nbytes for s in self._splits.values()) > self.budget_bytes:
            del self._splits[next(iter(self._splits))]
        return split
