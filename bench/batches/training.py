"""Samples of every step -> batches: moved, normalised and augmented on the device that trains."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from bench.batches.buffers import Buffers
from bench.batches.cutting import AUGMENT, METHOD, Sample, cut_samples, draws
from bench.batches.gathering import numbers_of
from bench.cache import Split
from bench.spec import Size

if TYPE_CHECKING:
    from bench.samplers import Sampler

Transform = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
Move = Callable[[list[Sample], torch.Generator], list[Sample]]


@dataclass(frozen=True)
class Batch:
    """What a training step sees.  Labels of target images do not exist here: a method cannot peek.

    `images` float (N, 3, h, w) normalised; `labels` int64 (N, h, w); `target_images` as `images`, or None; `step`
    updates were made before this one; `part` counts the batches that one update is made of, from 0.
    """

    images: Tensor
    labels: Tensor
    target_images: Tensor | None = None
    step: int = 0
    seed: int = 0
    part: int = 0

    def generator(self, purpose: str) -> torch.Generator:
        """Random numbers on the CPU for one `purpose` of a method; they depend on it, the seed, the step and the part
        alone."""
        purpose = f"{purpose} {self.part}" if self.part else purpose
        return torch.Generator().manual_seed(int(draws(self.seed, METHOD, self.step, purpose).integers(2**63)))


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
    streams: int = 0,
    accumulate: int = 1,
) -> Iterator[Batch]:
    """The batches of steps `start`, `start` + 1, ... without end, `accumulate` of each, out of `cut_samples`.

    Transforms at the head of `augment` that only move pixels, and so have an `of_samples`, do so while a pixel is a
    byte: the same numbers for a quarter of the traffic.  On the CPU a batch's memory is taken again once nobody holds
    it.
    `streams` sets random numbers apart: those of the target are its own, so that the source's stay what they are
    without one.
    """
    cut = cut_samples(
        split,
        batch_size=batch_size,
        seed=seed,
        crop_px=crop_px,
        crop_max_share=crop_max_share,
        sampler=sampler,
        start=start * accumulate,
        streams=streams,
        together=accumulate,
    )
    heads = itertools.takewhile(lambda transform: hasattr(transform, "of_samples"), augment)
    moves: list[Move] = [getattr(transform, "of_samples") for transform in heads]  # noqa: B009
    buffers = Buffers()
    for number, samples in enumerate(cut, start * accumulate):
        generator = torch.Generator()
        if augment:
            generator.manual_seed(int(draws(seed, streams + AUGMENT, number).integers(2**63)))
        for move in moves:
            samples = move(samples, generator)
        images, labels = numbers_of(samples, buffers, device)
        for transform in augment[len(moves) :]:
            images, labels = transform(images, labels, generator)
        step, part = divmod(number, accumulate)
        batch = Batch(images, labels, step=step, seed=seed, part=part)
        del images, labels
        yield batch
        del batch  # or its memory would still be held when the next one asks for some


def paired(source: Iterator[Batch], target: Iterator[Batch]) -> Iterator[Batch]:
    """Each source batch with the images of a target batch; what stood in the place of its labels goes no further."""
    for batch in source:
        yield replace(batch, target_images=next(target).images)


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
