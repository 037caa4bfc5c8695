"""A batch -> the same batch with some images' tones bent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.colours import normalised, shown
from bench.augment.limits import interval, probability
from bench.augment.samples import uniforms, within

if TYPE_CHECKING:
    from bench.augment import Transform


def gamma(*, exponent: tuple[float, float] = (0.8, 1.2), p: float = 0.5) -> Transform:
    """Raises the colours of each image, in [0, 1], to a random power with probability `p`: above 1 darkens.

    Gives f(images (N, 3, H, W) normalised, labels (N, H, W), generator on the CPU) -> (images, labels as they came).
    `exponent` is drawn uniformly.  Raises BenchError for an `exponent` outside [0.05, 20] or a `p` that is no
    probability.

    Source: RandomGamma(80..120) in std277/semantic-segmentation-domain-adaptation.
    """
    interval("gamma", "exponent", exponent, 0.05, 20.0)
    probability("gamma", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 2)
        changed = [
            normalised(shown(image).pow_(within(power, exponent))) if chance < p else image
            for image, (chance, power) in zip(images, rows, strict=True)
        ]
        return torch.stack(changed), labels

    return transform
