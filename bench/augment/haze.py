"""A batch -> the same batch with some images seen through fog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.colours import normalised
from bench.augment.limits import amount, interval, probability
from bench.augment.samples import uniforms, within

if TYPE_CHECKING:
    from bench.augment import Transform


def haze(
    *, density: tuple[float, float] = (0.1, 0.6), light: float = 0.85, gradient: float = 0.0, p: float = 0.5
) -> Transform:
    """Blends each image with a light grey by a random `density`, with probability `p`.

    Gives f(images (N, 3, H, W) normalised, labels (N, H, W), generator on the CPU) -> (images, labels as they came).
    `density` 0 is clear air and 1 nothing but `light` (the grey of the fog, 0 to 1), drawn uniformly.  `gradient` 0 is
    the same fog everywhere (views from above); 1 lets it thin out linearly from the top row to none at the bottom one,
    as on roads, where the top is far.  Raises BenchError where one of the four is outside [0, 1].

    Source: the scattering model image x t + light x (1 - t) of Sakaridis et al., arXiv 1708.07819, section 3.
    Differs from the paper in: the transmittance t is 1 - density, at best linear in the row, where theirs falls with
    the measured depth of each pixel.
    """
    interval("haze", "density", density, 0.0, 1.0)
    amount("haze", "light", light, 0.0, 1.0)
    amount("haze", "gradient", gradient, 0.0, 1.0)
    probability("haze", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 2)
        changed = [
            hazy(image, within(dense, density), light, gradient) if chance < p else image
            for image, (chance, dense) in zip(images, rows, strict=True)
        ]
        return torch.stack(changed), labels

    return transform


def hazy(image: Tensor, density: float, light: float, gradient: float) -> Tensor:
    """Normalised image (3, H, W) in fog; blending normalised colours is blending colours, for both are affine."""
    fog = normalised(torch.full((3, 1, 1), light, device=image.device))
    height = image.shape[-2]
    down = torch.arange(height, device=image.device, dtype=image.dtype)[:, None] / max(height - 1, 1)
    return torch.lerp(image, fog, density * (1 - gradient * down))
