"""Samples that lie anywhere -> a batch of bytes, or of numbers, in one place."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from bench.batches.buffers import Buffers
from bench.batches.cutting import Sample
from bench.batches.normalising import normalise, normalise_into


class Take(Protocol):
    """Memory of the host: `Buffers.take`, or torch's `empty`."""

    def __call__(self, shape: tuple[int, ...], /, *, dtype: torch.dtype) -> Tensor: ...


def bytes_of(samples: Sequence[Sample], take: Take) -> Sample:
    """Images uint8 (B, 3, h, w) and labels uint8 (B, h, w), on the samples' device; `take` gives memory of the host."""
    images, labels = zip(*samples, strict=True)
    return _stacked(images, take), _stacked(labels, take)


def numbers_of(samples: Sequence[Sample], buffers: Buffers, device: torch.device) -> Sample:
    """Images float (B, 3, h, w) normalised and labels int64 (B, h, w), on `device`.

    On the CPU every sample is read once where it lies and written once: bytes of a batch in between would be as much
    traffic again.
    """
    if device.type != "cpu" or samples[0][0].device.type != "cpu":
        take = functools.partial(torch.empty, pin_memory=device.type == "cuda")  # or the device could not fetch it
        pixels, codes = (part.to(device, non_blocking=True) for part in bytes_of(samples, take))
        return normalise(pixels), codes.long()
    images, labels = zip(*samples, strict=True)
    place = buffers.take((len(labels), *labels[0].shape), torch.int64)
    for row, part in zip(place, labels, strict=True):
        row.copy_(part)
    return normalise_into(buffers.take((len(images), *images[0].shape), torch.float32), images), place


def _stacked(parts: Sequence[Tensor], take: Take) -> Tensor:
    """Copies of slices, which no gather beats on a CPU."""
    if parts[0].device.type != "cpu":
        return torch.stack(list(parts))
    place = take((len(parts), *parts[0].shape), dtype=torch.uint8)
    for row, part in zip(place.numpy(), parts, strict=True):
        row[...] = part.numpy()  # numpy copies rows of bytes a quarter faster than torch
    return place
