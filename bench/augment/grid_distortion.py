"""A batch -> the same batch with some samples stretched and squeezed cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import amount, probability
from bench.augment.samples import stacked, uniforms
from bench.augment.warp import pixels, warped

if TYPE_CHECKING:
    from bench.augment import Transform


def grid_distortion(*, cells: int = 5, limit: float = 0.3, p: float = 0.5) -> Transform:
    """Stretches and squeezes the columns and rows of a grid over each sample, with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  Each of `cells` columns
    and rows reads from a strip 1 - limit to 1 + limit times its size, uniformly; all strips together are the whole
    image, so nothing is lost and nothing void appears.  Raises BenchError for fewer than one cell, a `limit` outside
    [0, 0.95] or a `p` that is no probability.

    Source: GridDistortion(5, 0.3) of Albumentations with its `normalized=True`, as in
    std277/semantic-segmentation-domain-adaptation (which may have left it off, so that borders were repeated).
    """
    amount("grid_distortion", "cells", cells, 1, 64)
    amount("grid_distortion", "limit", limit, 0.0, 0.95)
    probability("grid_distortion", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 1 + 2 * cells)
        pairs = []
        for image, label, (chance, *sizes) in zip(images, labels, rows, strict=True):
            strips = [1 - limit + 2 * limit * u for u in sizes]
            changed = distorted(image, label, strips[:cells], strips[cells:]) if chance < p else (image, label)
            pairs.append(changed)
        return stacked(pairs)

    return transform


def distorted(image: Tensor, label: Tensor, columns: Sequence[float], rows: Sequence[float]) -> tuple[Tensor, Tensor]:
    """One sample whose equal cells show strips of the image in these proportions, left to right and top to bottom."""
    x, y = pixels(label)
    return warped(image, label, _stretched(x, columns), _stretched(y, rows))


def _stretched(place: Tensor, strips: Sequence[float]) -> Tensor:
    """`place`, all pixel centres of one axis, mapped piece by piece: cell k of equal width reads strip k.

    A sum of clamped slopes instead of a table of knots, which would have to be copied to the device.
    """
    cell = place.numel() / len(strips)
    slopes = [strip * len(strips) / sum(strips) for strip in strips]
    parts = [(place + (0.5 - k * cell)).clamp_(0, cell).mul_(slope) for k, slope in enumerate(slopes)]
    return torch.stack(parts).sum(0) - 0.5
