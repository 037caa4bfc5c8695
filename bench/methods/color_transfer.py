"""Source images with the colour statistics of target images."""

from __future__ import annotations

import functools
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

LMS = ((0.3811, 0.5783, 0.0402), (0.1967, 0.7244, 0.0782), (0.0241, 0.1288, 0.8444))
"""RGB -> responses of the eye's cones (Reinhard et al. 2001, equation 4)."""

LAB = ((3**-0.5, 3**-0.5, 3**-0.5), (6**-0.5, 6**-0.5, -2 * 6**-0.5), (2**-0.5, -(2**-0.5), 0.0))
"""Logarithms of those -> three axes that hardly correlate in photographs (equation 6)."""

BLACK, BRIGHTEST = 1 / 255, 2.0
"""The least channel that has a logarithm, and the largest logarithm of a cone that is not cut off."""


class ColorTransfer(Method):
    """The supervised loss on source images in the target's colours."""

    needs_target: ClassVar[bool] = True
    capturable: ClassVar[bool] = True

    def __init__(self, loss: Loss, strength: float) -> None:
        super().__init__(loss)
        self.strength = strength

    def prepare(self, batch: Batch) -> Batch:
        changed = normalised(recoloured(shown(batch.images), shown(target_of(batch))).clamp_(0, 1))
        return replace(batch, images=torch.lerp(batch.images, changed, self.strength))


def recoloured(source: Tensor, target: Tensor) -> Tensor:
    """`source` (N, 3, H, W), RGB in [0, 1], each image with the mean and deviation of its partner on every axis."""
    own, other = axes(source), axes(target)
    means = [image.mean((2, 3), keepdim=True) for image in (own, other)]
    spreads = [image.std((2, 3), keepdim=True, correction=0) for image in (own, other)]
    # A flat axis has no deviation to stretch: it takes the partner's mean alone.
    scale = spreads[1] / spreads[0].clamp(min=1e-4)
    return colours((own - means[0]) * scale + means[1])


def axes(images: Tensor) -> Tensor:
    """RGB in [0, 1], (N, 3, H, W) -> l, alpha, beta, of the same shape."""
    lms, lab, _, _ = _matrices(images.device)
    return _times(lab, _times(lms, images.clamp(min=BLACK)).log10())


def colours(axes: Tensor) -> Tensor:
    """l, alpha, beta -> RGB, which may leave [0, 1]."""
    _, _, rgb, cones = _matrices(axes.device)
    # A pixel far off its image's mean may come out beyond what a float holds, and infinities do not subtract.
    return _times(rgb, torch.pow(10.0, _times(cones, axes).clamp(max=BRIGHTEST)))


@functools.cache
def _matrices(device: torch.device) -> tuple[Tensor, ...]:
    """LMS and LAB and their inverses, (3, 3) each; kept, because copying them to a device waits for it."""
    there = torch.tensor([LMS, LAB], dtype=torch.float64, device="cpu")
    return tuple(matrix.to(device, torch.float32) for matrix in (*there, *torch.linalg.inv(there)))


def _times(matrix: Tensor, images: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix, images)


def color_transfer(loss: Loss, num_classes: int, *, strength: float = 1.0) -> ColorTransfer:
    """Colour transfer: mean and spread of each colour axis of a source image become those of a target image.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward.  `strength` mixes with the image as it
    was.

    Source: Reinhard, Ashikhmin, Gooch and Shirley 2001, Color Transfer between Images, in the space l-alpha-beta.
    Differs from the paper in: black is lifted to 1/255 before the logarithm, and colours are clipped to 0..1.
    """
    return ColorTransfer(loss, fraction("strength", strength))
