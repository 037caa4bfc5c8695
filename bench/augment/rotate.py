"""A batch -> the same batch with some samples turned by a small angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import amount, probability
from bench.augment.samples import stacked, uniforms, within
from bench.augment.warp import pixels, warped

if TYPE_CHECKING:
    from bench.augment import Transform


def rotate(*, degrees: float = 15.0, p: float = 0.5) -> Transform:
    """Turns each sample about its centre by up to `degrees` either way, with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  The angle is drawn
    uniformly from [-degrees, degrees]; the corners that come free are 0 in images and IGNORE in labels.  Raises
    BenchError for `degrees` outside [0, 180] or a `p` that is no probability.

    Source: the rotation of ShiftScaleRotate(0.1, 0.25, 15) in std277/semantic-segmentation-domain-adaptation.
    """
    amount("rotate", "degrees", degrees, 0.0, 180.0)
    probability("rotate", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 2)
        return stacked(
            turned(image, label, within(angle, (-degrees, degrees))) if chance < p else (image, label)
            for image, label, (chance, angle) in zip(images, labels, rows, strict=True)
        )

    return transform


def turned(image: Tensor, label: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """One sample, image (3, H, W) and label (H, W), turned counter-clockwise about its centre."""
    height, width = label.shape
    x, y = pixels(label)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    right, down = x - centre_x, y - centre_y
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return warped(image, label, (right * cos + centre_x) - down * sin, right * sin + (down * cos + centre_y))
