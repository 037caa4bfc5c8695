"""A dataset -> its split in this process's memory, and the splits that are kept there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from bench.cache.decoding import Decoder
from bench.cache.split import Split
from bench.spec import Dataset, Size


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
    decode, number = Decoder(dataset, resize_px, native_labels), len(dataset)
    first = decode(0)
    images = np.empty((number, *first.image.shape), np.uint8)
    labels = np.empty((number, *first.label.shape), np.uint8)
    counts = np.empty((number, dataset.info.num_classes), np.int64)

    def place(index: int) -> None:
        images[index], labels[index], codes = decode(index) if index else first
        counts[index] = codes[: counts.shape[1]]
        tick()

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(place, range(number)):
            pass
    names = tuple(map(dataset.image_name, range(number)))
    return Split(torch.from_numpy(images), torch.from_numpy(labels), names, dataset.digest(), counts)


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
