"""A batch -> the same batch with some samples enlarged or shrunk, at the size they had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import interval, probability
from bench.augment.samples import stacked, uniforms, within
from bench.augment.warp import pixels, warped

if TYPE_CHECKING:
    from bench.augment import Transform


def scale(*, factor: tuple[float, float] = (0.75, 1.25), p: float = 0.5) -> Transform:
    """Enlarges or shrinks each sample with probability `p`, then crops or pads it back at a random place.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  `factor` is drawn
    uniformly; both sides share it.  Padding is 0 in images and IGNORE in labels.  Raises BenchError for a `factor`
    outside [0.1, 10] or a `p` that is no probability.

    Source: the scale of ShiftScaleRotate(0.1, 0.25, 15) in std277/semantic-segmentation-domain-adaptation; DeepLab
    (arXiv 1706.05587, section 4.1) uses (0.5, 2).  Differs from them in: place and scale are drawn independently.
    """
    interval("scale", "factor", factor, 0.1, 10.0)
    probability("scale", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 4)
        return stacked(
            scaled(image, label, within(size, factor), left, top) if chance < p else (image, label)
            for image, label, (chance, size, left, top) in zip(images, labels, rows, strict=True)
        )

    return transform


def scaled(image: Tensor, label: Tensor, factor: float, left: float, top: float) -> tuple[Tensor, Tensor]:
    """One sample, image (3, H, W) and label (H, W), `factor` times as large.

    `left` and `top` in [0, 1] place it: 0 keeps the left (top) edges together, 1 the right (bottom) ones.
    """
    height, width = label.shape
    x, y = pixels(label)
    off_x, off_y = left * width * (1 - factor), top * height * (1 - factor)
    return warped(image, label, (x + (0.5 - off_x)) / factor - 0.5, (y + (0.5 - off_y)) / factor - 0.5)
