"""A generator -> the random numbers of each sample of a batch; samples -> a batch again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def uniforms(generator: torch.Generator, samples: int, each: int) -> list[list[float]]:
    """`each` numbers in [0, 1) for every sample; those of sample i do not depend on how many samples follow.

    They are plain numbers because those reach a device with the call that uses them: nothing is copied or waited for.
    """
    drawn = torch.rand(samples, each, generator=generator, dtype=torch.float64, device=generator.device)
    numbers: list[list[float]] = drawn.tolist()
    return numbers


def within(draw: float, interval: Sequence[float]) -> float:
    """The number of `interval` (first, last) at `draw` in [0, 1)."""
    return interval[0] + draw * (interval[1] - interval[0])


def other(draw: float, sample: int, samples: int, skip: int = 0) -> int:
    """A sample of the batch that is not `sample`, chosen by `draw` in [0, 1); needs `samples` >= 2.

    `skip` = 1, 2, ... gives further ones for the same draw, all distinct while the batch has enough.
    """
    return (sample + 1 + (int(draw * (samples - 1)) + skip) % (samples - 1)) % samples


def stacked(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Pairs of image (3, H, W) and label (H, W) -> images (N, 3, H, W) and labels (N, H, W), copied."""
    images, labels = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(labels)
