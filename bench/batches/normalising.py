"""Bytes -> numbers as networks expect them."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Per-channel statistics of ImageNet, of RGB images scaled to [0, 1]: what torchvision's weights expect."""


def normalise(images: Tensor) -> Tensor:
    """uint8 (N, 3, h, w) -> float (N, 3, h, w) with mean 0 and deviation 1 over ImageNet, on the same device."""
    if images.device.type == "cpu":
        return normalise_into(torch.empty(images.shape), images)
    mean, std = _statistics(images.device)
    return images.float().sub_(mean).div_(std)


def normalise_into(place: Tensor, images: Iterable[Tensor]) -> Tensor:
    """The same numbers of each of N `images` uint8 (3, h, w) on the CPU, wherever they lie, in `place`; returns it."""
    mean, std = _statistics(place.device)
    for numbers, pixels in zip(place, images, strict=True):  # one by one: a core's cache holds an image, not a batch
        numbers.copy_(pixels).sub_(mean).div_(std)
    return place


@functools.cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the 0..255 scale, (3, 1, 1) each; kept, because copying them to a device waits for it."""
    mean, std = torch.tensor([MEAN, STD], device=device).mul(255).view(2, 3, 1, 1)
    return mean, std
