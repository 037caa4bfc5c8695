"""A split and a seed -> the batch of every step: the same on any device and after any restart."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.cache import Split
from bench.spec import BenchError, ExitCode, Size

Transform = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Per-channel statistics of ImageNet, of RGB images scaled to [0, 1]: what torchvision's weights expect."""

ORDER, CROP, AUGMENT = range(3)
"""Streams of random numbers: each draw comes from a generator of its own (seed, stream, step), no shared state."""


@dataclass(frozen=True)
class Batch:
    """What a training step sees.  Labels of target images do not exist here: a method cannot peek.

    `images` float (N, 3, h, w) normalised; `labels` int64 (N, h, w); `target_images` as `images`, or None.
    """

    images: Tensor
    labels: Tensor
    target_images: Tensor | None = None


def draws(seed: int, stream: int, step: int) -> np.random.Generator:
    """The generator of one stream at one step (or epoch)."""
    return np.random.Generator(np.random.Philox(key=[(seed << 8) | stream, step]))


def normalise(images: Tensor) -> Tensor:
    """uint8 (N, 3, h, w) -> float (N, 3, h, w) with mean 0 and deviation 1 over ImageNet."""
    mean, std = _statistics(images.device)
    return images.float().sub_(mean).div_(std)


@functools.cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the 0..255 scale, (3, 1, 1) each; kept, because copying them to a device waits for it."""
    mean, std = torch.tensor([MEAN, STD], device=device).mul(255).view(2, 3, 1, 1)
    return mean, std


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Full batches in one pass; the rest of a pass is dropped.  Raises BenchError when there is not a single one."""
    if images < batch_size:
        raise BenchError(
            f"the source split has {images} images, fewer than one batch of {batch_size}",
            remedy="lower `batch_size` or use more images",
            key="batch_size",
            code=ExitCode.DATA,
        )
    return images // batch_size


def crop_size(image: Sequence[int], crop_px: Size | None) -> Size:
    """The (height, width) of a crop of an `image` of (height, width).  Raises BenchError when it does not fit."""
    height, width = image
    crop = crop_px or (height, width)
    if crop[0] > height or crop[1] > width:
        problem = f"a crop of {crop[1]}x{crop[0]} does not fit in images of {width}x{height}"
        raise BenchError(problem, remedy="lower `crop_px` or raise `resize_px`", key="crop_px", code=ExitCode.DATA)
    return crop


def training_batches(
    split: Split,
    *,
    batch_size: int,
    seed: int,
    device: torch.device,
    crop_px: Size | None = None,
    augment: Sequence[Transform] = (),
    start: int = 0,
) -> Iterator[Batch]:
    """The batches of steps `start`, `start` + 1, ... without end; every image once a pass, in an order of its own.

    Crops are drawn uniformly; an image smaller than `crop_px` is a BenchError.
    """
    crop = crop_size(split.images.shape[-2:], crop_px)
    per_epoch = steps_per_epoch(len(split), batch_size)
    step, order_of, order = start, -1, np.empty(0, np.int64)
    while True:
        epoch, within = divmod(step, per_epoch)
        if epoch != order_of:
            order_of, order = epoch, draws(seed, ORDER, epoch).permutation(len(split))
        chosen = order[within * batch_size : (within + 1) * batch_size]
        pixels, codes = _cropped(split, chosen, crop, draws(seed, CROP, step))
        images = normalise(pixels.to(device, non_blocking=True))
        labels = codes.to(device, torch.int64, non_blocking=True)
        if augment:
            generator = torch.Generator().manual_seed(int(draws(seed, AUGMENT, step).integers(2**63)))
            for transform in augment:
                images, labels = transform(images, labels, generator)
        yield Batch(images, labels)
        step += 1


def _cropped(split: Split, chosen: np.ndarray, crop: Size, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """uint8 images (B, 3, h, w) and labels (B, h, w): copies of slices, which no gather beats on a CPU."""
    room = [whole - part + 1 for whole, part in zip(split.images.shape[-2:], crop, strict=True)]
    corners = generator.integers(0, room, size=(len(chosen), 2)).tolist()
    spots = [(i, slice(y, y + crop[0]), slice(x, x + crop[1])) for i, (y, x) in zip(chosen, corners, strict=True)]
    images = torch.stack([split.images[i, :, rows, columns] for i, rows, columns in spots])
    return images, torch.stack([split.labels[i, rows, columns] for i, rows, columns in spots])


def scoring_batches(split: Split, *, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """(images float (B, 3, h, w) normalised, labels uint8 (B, H, W)) over the whole split, in order, none dropped."""
    for first in range(0, len(split), batch_size):
        rows = slice(first, first + batch_size)
        pixels, labels = split.images[rows], split.labels[rows]
        yield normalise(pixels.to(device, non_blocking=True)), labels.to(device, non_blocking=True)


T = TypeVar("T")


class Timed(Iterator[T]):
    """An iterator that knows how long its consumer has waited for it: `seconds`."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self.seconds = 0.0

    def __next__(self) -> T:
        before = time.perf_counter()
        item = next(self._items)
        self.seconds += time.perf_counter() - before
        return item
