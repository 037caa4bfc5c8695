"""A split -> its images and labels in order, for scoring."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.batches.normalising import normalise
from bench.cache import Split


def scoring_batches(split: Split, *, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """(images float (B, 3, h, w) normalised, labels uint8 (B, H, W)) over the whole split, in order, none dropped."""
    for first in range(0, len(split), batch_size):
        rows = slice(first, first + batch_size)
        pixels, labels = split.images[rows], split.labels[rows]
        yield normalise(pixels.to(device, non_blocking=True)), labels.to(device, non_blocking=True)
