"""A generator -> the random numbers of each sample of a batch; samples -> a batch again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


Pair = tuple[Tensor, Tensor]
"""Image (3, H, W) and label (H, W)."""


def stacked(pairs: Iterable[Pair]) -> tuple[Tensor, Tensor]:
    """Pairs -> images (N, 3, H, W) and labels (N, H, W), copied."""
    images, labels = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(labels)


@dataclass(frozen=True)
class Moving:
    """A transform that only moves pixels: the same for bytes as for numbers.

    `draw(samples, generator)` gives one number per sample; `moved(part, number)` an image (3, H, W) or label (H, W)
    moved accordingly, in memory of its own, or `part` itself where nothing moves.
    """

    draw: Callable[[int, torch.Generator], list[int]]
    moved: Callable[[Tensor, int], Tensor]

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return stacked(self.of_samples(list(zip(images, labels, strict=True)), generator))

    def of_samples(self, samples: Sequence[Pair], generator: torch.Generator) -> list[Pair]:
        """The same draws, for samples that are not a batch yet: what stays where it is costs nothing."""
        drawn = self.draw(len(samples), generator)
        return [
            (self.moved(image, number), self.moved(label, number))
            for (image, label), number in zip(samples, drawn, strict=True)
        ]
