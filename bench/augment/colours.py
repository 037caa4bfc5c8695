"""Normalised images <-> colours in [0, 1], and their grey."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""What a batch was normalised with; they equal `bench.batches`, which a component may not import (a test compares)."""


@functools.cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """MEAN and STD, (3, 1, 1) each; kept, because copying them to a device waits for it."""
    mean, std = torch.tensor([MEAN, STD], device=device).view(2, 3, 1, 1)
    return mean, std


def shown(image: Tensor) -> Tensor:
    """Normalised image (..., 3, H, W) -> RGB in [0, 1], a new tensor; rounding never leaves the interval."""
    mean, std = _statistics(image.device)
    return torch.addcmul(mean, image, std).clamp_(0, 1)


def normalised(colours: Tensor) -> Tensor:
    """RGB in [0, 1], (..., 3, H, W) -> normalised image; may reuse the memory of `colours`."""
    mean, std = _statistics(colours.device)
    return colours.sub_(mean).div_(std)


def grey(colours: Tensor) -> Tensor:
    """RGB (3, H, W) -> luma (1, H, W) with the weights of ITU-R BT.601, as torchvision rounds them."""
    return colours[:1].mul(0.2989).add_(colours[1:2], alpha=0.587).add_(colours[2:], alpha=0.114)
