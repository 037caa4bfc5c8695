"""Bytes -> numbers as networks expect them."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Per-channel statistics of ImageNet, of RGB images scaled to [0, 1]: what torchvision's weights expect."""

BLOCK = 2**17
"""Numbers that are made at a time on the CPU: 512 KiB, which the next two operations find in a core's own cache."""


def normalise(images: Tensor, place: Tensor | None = None) -> Tensor:
    """uint8 (N, 3, h, w) -> float (N, 3, h, w) with mean 0 and deviation 1 over ImageNet; on the CPU in `place`."""
    mean, std = _statistics(images.device)
    if images.device.type != "cpu":
        return images.float().sub_(mean).div_(std)
    place = torch.empty(images.shape) if place is None else place
    wholes = (images.flatten(0, 1), place.flatten(0, 1), mean.repeat(len(images), 1, 1), std.repeat(len(images), 1, 1))
    several = max(1, BLOCK // max(1, images.shape[-2] * images.shape[-1]))
    for pixels, numbers, centres, deviations in zip(*(torch.split(whole, several) for whole in wholes), strict=True):
        numbers.copy_(pixels).sub_(centres).div_(deviations)
    return place


@functools.cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the 0..255 scale, (3, 1, 1) each; kept, because copying them to a device waits for it."""
    mean, std = torch.tensor([MEAN, STD], device=device).mul(255).view(2, 3, 1, 1)
    return mean, std
