"""A batch -> the same batch with some samples put together from four."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import interval, probability
from bench.augment.samples import other, uniforms, within

if TYPE_CHECKING:
    from bench.augment import Transform


def mosaic(*, centre: tuple[float, float] = (0.25, 0.75), p: float = 0.5) -> Transform:
    """Cuts each sample in four at a random point and fills three parts from other samples, with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  The point lies within
    `centre` of both sides, uniformly; pixels and labels keep their places, and the sample itself keeps the top left
    part.  The three others are distinct in a batch of four or more; a batch of one stays as it is.  Raises BenchError
    for a `centre` outside [0, 1] or a `p` that is no probability.

    Source: YOLOv4, arXiv 2004.10934, section 3.3.  Differs from the paper in: the parts are neither scaled nor moved,
    so the batch keeps its size and each part its place in the scene.
    """
    interval("mosaic", "centre", centre, 0.0, 1.0)
    probability("mosaic", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        mixed, told = images.clone(), labels.clone()
        for i, (chance, partner, down, right) in enumerate(uniforms(generator, len(images), 4)):
            if chance >= p or len(images) == 1:
                continue
            middle, centre_x = round(within(down, centre) * height), round(within(right, centre) * width)
            upper, lower = slice(0, middle), slice(middle, height)
            left, right_of = slice(0, centre_x), slice(centre_x, width)
            for skip, part in enumerate(((upper, right_of), (lower, left), (lower, right_of))):
                j = other(partner, i, len(images), skip)
                mixed[i, :, *part] = images[j, :, *part]
                told[i, *part] = labels[j, *part]
        return mixed, told

    return transform
