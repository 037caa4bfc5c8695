"""Source images with the colour statistics of target images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.augment.colours import normalised, shown
from bench.methods.limits import fraction
from bench.methods.method import Loss, Method
from bench.methods.target import target_of

if TYPE_CHECKING:
    from bench.batches import Batch

_LMS = ((0.3811, 0.5783, 0.0402), (0.1967, 0.7244, 0.0782), (0.0241, 0.1288, 0.8444))
"""RGB -> responses of the eye's cones (Reinhard et al. 2001, equation 4)."""

_LAB = ((3**-0.5, 3**-0.5, 3**-0.5), (6**-0.5, 6**-0.5, -2 * 6**-0.5), (2**-0.5, -(2**-0.5), 0.0))
"""Logarithms of those -> three axes that hardly correlate in photographs (equation 6)."""

FLOOR = 1 / 255


class ColorTransfer(Method):
    """The supervised loss on source images in the target's colours."""

    needs_target: ClassVar[bool] = True

    def __init__(self, loss: Loss, strength: float) -> None:
        super().__init__(loss)
        self.strength = strength

    def prepare(self, batch: Batch) -> Batch:
        changed = recoloured(batch.images, target_of(batch))
        return replace(batch, images=torch.lerp(batch.images, changed, self.strength))


def recoloured(source: Tensor, target: Tensor) -> Tensor:
    """`source` (N, 3, H, W), normalised, each image with the mean and deviation of its partner on every axis."""
    own, other = _axes(shown(source)), _axes(shown(target))
    means = [axes.mean((2, 3), keepdim=True) for axes in (own, other)]
    spreads = [axes.std((2, 3), keepdim=True, correction=0) for axes in (own, other)]
    # A flat channel has no deviation to stretch: it takes the partner's mean alone.
    scale = spreads[1] / spreads[0].clamp(min=1e-4)
    return normalised(_colours((own - means[0]) * scale + means[1]).clamp(0, 1))


def _matrix(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).to(like.device, like.dtype, non_blocking=True)


def _times(matrix: Tensor, images: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix, images)


def _axes(images: Tensor) -> Tensor:
    cones = _times(_matrix(_LMS, images), images.clamp(min=FLOOR))
    return _times(_matrix(_LAB, images), cones.log10())


def _colours(axes: Tensor) -> Tensor:
    back = [torch.linalg.inv(torch.tensor(rows, dtype=torch.float64)) for rows in (_LAB, _LMS)]
    lab, lms = (matrix.to(axes.device, axes.dtype, non_blocking=True) for matrix in back)
    return _times(lms, torch.pow(10.0, _times(lab, axes)))


def color_transfer(loss: Loss, num_classes: int, *, strength: float = 1.0) -> ColorTransfer:
    """Mean and spread of each colour axis of a source image become those of a target image.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward.  `strength` mixes with the image as it
    was.

    Source: Reinhard, Ashikhmin, Gooch and Shirley 2001, Color Transfer between Images, in the space l-alpha-beta.
    Differs from the paper in: black is lifted to 1/255 before the logarithm, and colours are clipped to 0..1.
    """
    return ColorTransfer(loss, fraction("strength", strength))
