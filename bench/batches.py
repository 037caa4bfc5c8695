"""A split and a seed -> the batch of every step: the same on any device and after any restart."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.cache import Split
from bench.spec import IGNORE, BenchError, ExitCode, Size

if TYPE_CHECKING:
    from bench.samplers import Sampler

Transform = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Per-channel statistics of ImageNet, of RGB images scaled to [0, 1]: what torchvision's weights expect."""

ORDER, CROP, AUGMENT = range(3)
"""Streams of random numbers: each draw comes from a generator of its own (seed, stream, step), no shared state."""

REDRAWS = 10
"""How often a crop is drawn again that one class fills; the last is taken as it is."""

BLOCK_PX = 2**18
"""Pixels that are normalised at a time on the CPU: a float32 plane of 1 MiB, which stays in a core's own cache."""


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
    if images.device.type != "cpu":
        return images.float().sub_(mean).div_(std)
    planes, wide = images.flatten(0, 1), torch.empty(images.shape)
    places, centres, deviations = wide.flatten(0, 1), mean.repeat(len(images), 1, 1), std.repeat(len(images), 1, 1)
    several = max(1, BLOCK_PX // max(1, images.shape[-2] * images.shape[-1]))
    for first in range(0, len(planes), several):
        part = slice(first, first + several)
        places[part].copy_(planes[part]).sub_(centres[part]).div_(deviations[part])
    return wide


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
    crop_max_share: float | None = None,
    sampler: Sampler | None = None,
    augment: Sequence[Transform] = (),
    start: int = 0,
) -> Iterator[Batch]:
    """The batches of steps `start`, `start` + 1, ... without end, out of `cut_batches`.

    Transforms at the head of `augment` that say they only move pixels (`moves_only`) do so while a pixel is a byte:
    the same numbers for a quarter of the traffic.
    """
    cut = cut_batches(
        split,
        batch_size=batch_size,
        seed=seed,
        crop_px=crop_px,
        crop_max_share=crop_max_share,
        sampler=sampler,
        start=start,
        pin=device.type == "cuda",
    )
    moves = tuple(itertools.takewhile(lambda transform: getattr(transform, "moves_only", False), augment))
    for step, (pixels, codes) in enumerate(cut, start):
        pixels, codes = pixels.to(device, non_blocking=True), codes.to(device, non_blocking=True)
        generator = torch.Generator()
        if augment:
            generator.manual_seed(int(draws(seed, AUGMENT, step).integers(2**63)))
        for transform in moves:
            pixels, codes = transform(pixels, codes, generator)
        images, labels = normalise(pixels), codes.long()
        for transform in augment[len(moves) :]:
            images, labels = transform(images, labels, generator)
        yield Batch(images, labels)


def cut_batches(
    split: Split,
    *,
    batch_size: int,
    seed: int,
    crop_px: Size | None = None,
    crop_max_share: float | None = None,
    sampler: Sampler | None = None,
    start: int = 0,
    pin: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images uint8 (B, 3, h, w) and labels uint8 (B, h, w) of steps `start`, `start` + 1, ... without end.

    `sampler` gives the images of each pass: every one once, in an order of its own, unless given.  Crops are drawn
    uniformly, and again where one class covers more than `crop_max_share` of what is not void.  They come on the
    split's device; with `pin` those of a split in host memory lie where a device can fetch them.  An image smaller than
    `crop_px` is a BenchError.
    """
    crop = crop_size(split.images.shape[-2:], crop_px)
    per_epoch = steps_per_epoch(len(split), batch_size)
    on_host = split.images.device.type == "cpu"
    step, order_of, order = start, -1, np.empty(0, np.int64)
    while True:
        epoch, within = divmod(step, per_epoch)
        if epoch != order_of:
            passes = draws(seed, ORDER, epoch)
            order_of, order = epoch, passes.permutation(len(split)) if sampler is None else sampler(passes)
        chosen = order[within * batch_size : (within + 1) * batch_size]
        spots = _spots(split, chosen.tolist(), crop, draws(seed, CROP, step), crop_max_share)
        found = []
        for whole in (split.images, split.labels):
            parts = [whole[i, ..., rows, columns] for i, rows, columns in spots]
            place = torch.empty(
                len(parts), *parts[0].shape, dtype=torch.uint8, device=whole.device, pin_memory=pin and on_host
            )
            found.append(torch.stack(parts, out=place))
        yield found[0], found[1]
        step += 1


Spot = tuple[int, slice, slice]
"""An image of a split, and the rows and columns that are cut out of it."""


def _spots(
    split: Split, chosen: Sequence[int], crop: Size, generator: np.random.Generator, max_share: float | None
) -> list[Spot]:
    room = [whole - part + 1 for whole, part in zip(split.images.shape[-2:], crop, strict=True)]

    def spot(image: int, corner: Sequence[int]) -> Spot:
        y, x = corner
        return image, slice(y, y + crop[0]), slice(x, x + crop[1])

    corners = generator.integers(0, room, size=(len(chosen), 2)).tolist()
    spots = [spot(image, corner) for image, corner in zip(chosen, corners, strict=True)]
    if max_share is not None:
        labels = split.labels if split.host_labels is None else split.host_labels
        for k, image in enumerate(chosen):
            redraws = REDRAWS
            while redraws and _filled(labels[spots[k]], max_share):
                spots[k] = spot(image, generator.integers(0, room).tolist())
                redraws -= 1
    return spots


def _filled(codes: Tensor, max_share: float) -> bool:
    """Whether one class covers more than `max_share` of the labels uint8 (h, w) that are not void, or all is void."""
    counts = torch.bincount(codes.flatten(), minlength=IGNORE + 1)[:IGNORE]
    return bool(counts.max() > max_share * counts.sum()) or not counts.any()


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
