"""A batch -> the same batch with a box of another sample in some samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import probability
from bench.augment.samples import other, uniforms

if TYPE_CHECKING:
    from bench.augment import Transform


def cutmix(*, p: float = 0.5) -> Transform:
    """Pastes a random box of another sample of the batch over each sample, with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  The box covers a share
    of 1 - lambda with lambda ~ Beta(1, 1), has the shape of the image and is cut off at its border; pixels and labels
    keep their places.  A batch of one stays as it is.  Raises BenchError for a `p` that is no probability.

    Source: CutMix, arXiv 1905.04899, section 3.1; hoya012/semantic-segmentation-tutorial-pytorch, p 0.5.  Differs from
    the paper in: labels are pasted pixel by pixel instead of mixed by share, box and partner are each sample's own, and
    the partner is never the sample itself.
    """
    probability("cutmix", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 5)
        mixed, told = images.clone(), labels.clone()
        for i, (chance, partner, kept, down, right) in enumerate(rows):
            if chance < p and len(images) > 1:
                j = other(partner, i, len(images))
                box = _box(images.shape[-2], kept, down), _box(images.shape[-1], kept, right)
                mixed[i, :, *box] = images[j, :, *box]
                told[i, *box] = labels[j, *box]
        return mixed, told

    return transform


def _box(side: int, kept: float, centre: float) -> slice:
    """One side of the box: sqrt(1 - kept) of `side` long about a random centre, cut off at the border."""
    first = int(centre * side) - int(side * math.sqrt(1 - kept)) // 2
    return slice(max(0, first), max(0, first + int(side * math.sqrt(1 - kept))))
