"""A batch -> the same batch with some images out of focus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.augment.limits import interval, probability
from bench.augment.samples import uniforms, within

if TYPE_CHECKING:
    from bench.augment import Transform


def blur(*, sigma: tuple[float, float] = (0.15, 1.15), p: float = 0.5) -> Transform:
    """Blurs each image with a Gaussian of random width, with probability `p`.

    Gives f(images (N, 3, H, W) normalised, labels (N, H, W), generator on the CPU) -> (images, labels as they came).
    `sigma` is in pixels, drawn uniformly.  Raises BenchError for a `sigma` outside [0.05, 50] or a `p` that is no
    probability.

    Source: DACS, arXiv 2007.08702, its code; GaussianBlur(3..7) of std277/semantic-segmentation-domain-adaptation is
    about `sigma: [0.8, 1.4]`.  Differs from the paper in: the kernel ends at 4 sigma, beyond which lies less than
    0.0001 of its weight, where theirs is a tenth of the image long whatever the sigma.
    """
    interval("blur", "sigma", sigma, 0.05, 50.0)
    probability("blur", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 2)
        changed = [
            blurred(image, within(width, sigma)) if chance < p else image
            for image, (chance, width) in zip(images, rows, strict=True)
        ]
        return torch.stack(changed), labels

    return transform


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Image (C, H, W) convolved with a Gaussian of `sigma` px, mirrored at its borders: rows, then columns."""
    for axis in (-1, -2):
        # Mirroring needs a side longer than what is mirrored.
        radius = min(math.ceil(4 * sigma), image.shape[axis] - 1)
        image = _along(image, axis, _gaussian(sigma, radius), radius)
    return image


def _gaussian(sigma: float, radius: int) -> list[float]:
    taps = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    return [tap / sum(taps) for tap in taps]


def _along(image: Tensor, axis: int, taps: list[float], radius: int) -> Tensor:
    """A weighted sum of shifted views: no kernel to copy to the device, and quicker than a convolution on a CPU."""
    side = image.shape[axis]
    padded = F.pad(image, (radius, radius, 0, 0) if axis == -1 else (0, 0, radius, radius), mode="reflect")
    total = padded.narrow(axis, radius, side) * taps[radius]
    for k in range(1, radius + 1):
        both = padded.narrow(axis, radius - k, side) + padded.narrow(axis, radius + k, side)
        total.add_(both, alpha=taps[radius + k])
    return total
