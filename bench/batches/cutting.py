"""A split and a seed -> the samples of every step: which images, and what is cut out of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.cache import Split
from bench.spec import IGNORE, BenchError, ExitCode, Size, counted

if TYPE_CHECKING:
    from bench.samplers import Sampler

ORDER, CROP, AUGMENT, METHOD = range(4)
"""Streams of random numbers: each draw comes from a generator of its own (seed, stream, step), no shared state."""

TARGET = 16
"""Where the streams of target images begin."""

REDRAWS = 10
"""How often a crop is drawn again that one class fills; the last is taken as it is."""


def draws(seed: int, stream: int, step: int, purpose: str = "") -> np.random.Generator:
    """The generator of one stream at one step (or epoch), for one of several purposes."""
    place = zlib.crc32(purpose.encode()) << 192 if purpose else 0  # far apart in a period of 2**256
    return np.random.Generator(np.random.Philox(key=[(seed << 8) | stream, step], counter=place))


def steps_per_epoch(images: int, batch_size: int, *, what: str = "source", together: int = 1) -> int:
    """Full groups of `together` batches in one pass; the rest of a pass is dropped.

    Raises BenchError when there is not a single one.
    """
    if images < batch_size * together:
        each, other = ("", "") if together == 1 else (f"{together} times ", " or `accumulate`")
        raise BenchError(
            f"the {what} split has {counted(images, 'image')}, fewer than {each or 'one batch of '}{batch_size}",
            remedy=f"lower `batch_size`{other} or use more images",
            key="batch_size",
            code=ExitCode.DATA,
        )
    return images // (batch_size * together)


def crop_size(image: Sequence[int], crop_px: Size | None) -> Size:
    """The (height, width) of a crop of an `image` of (height, width).  Raises BenchError when it does not fit."""
    height, width = image
    crop = crop_px or (height, width)
    if crop[0] > height or crop[1] > width:
        problem = f"a crop of {crop[1]}x{crop[0]} does not fit in images of {width}x{height}"
        raise BenchError(problem, remedy="lower `crop_px` or raise `resize_px`", key="crop_px", code=ExitCode.DATA)
    return crop


Sample = tuple[Tensor, Tensor]
"""Image uint8 (3, h, w) and label uint8 (h, w)."""


def cut_samples(
    split: Split,
    *,
    batch_size: int,
    seed: int,
    crop_px: Size | None = None,
    crop_max_share: float | None = None,
    sampler: Sampler | None = None,
    start: int = 0,
    streams: int = 0,
    together: int = 1,
) -> Iterator[list[Sample]]:
    """The samples of batches `start`, `start` + 1, ... without end: views of the split, nothing is copied yet.

    A pass is made of as many batches as are whole groups of `together`, so that no group lies in two passes.  `sampler`
    gives the images of each pass: every one once, in an order of its own, unless given.  Crops are drawn
    uniformly, and again where one class covers more than `crop_max_share` of what is not void.  An image smaller than
    `crop_px` is a BenchError.
    """
    crop = crop_size(split.images.shape[-2:], crop_px)
    what = "target" if streams == TARGET else "source"
    per_epoch = steps_per_epoch(len(split), batch_size, what=what, together=together) * together
    step, order_of, order = start, -1, np.empty(0, np.int64)
    while True:
        epoch, within = divmod(step, per_epoch)
        if epoch != order_of:
            passes = draws(seed, streams + ORDER, epoch)
            order_of, order = epoch, passes.permutation(len(split)) if sampler is None else sampler(passes)
        chosen = order[within * batch_size : (within + 1) * batch_size]
        spots = _spots(split, chosen.tolist(), crop, draws(seed, streams + CROP, step), crop_max_share)
        yield [(split.images[i, :, rows, columns], split.labels[i, rows, columns]) for i, rows, columns in spots]
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
