"""A batch -> the same batch with some images in grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.colours import grey, normalised, shown
from bench.augment.limits import probability
from bench.augment.samples import uniforms

if TYPE_CHECKING:
    from bench.augment import Transform


def grayscale(*, p: float = 0.2) -> Transform:
    """Takes the colour out of each image with probability `p`; three equal channels stay.

    Gives f(images (N, 3, H, W) normalised, labels (N, H, W), generator on the CPU) -> (images, labels as they came).
    Raises BenchError for a `p` that is no probability.

    Source: ToGray(0.2) in std277/semantic-segmentation-domain-adaptation; grey as torchvision's rgb_to_grayscale.
    """
    probability("grayscale", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 1)
        changed = [
            normalised(grey(shown(image)).repeat(3, 1, 1)) if chance < p else image
            for image, (chance,) in zip(images, rows, strict=True)
        ]
        return torch.stack(changed), labels

    return transform
