"""Batches whose pixels carry their own coordinates, so that what a transform did can be read off exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench import names
from bench.spec import IGNORE, Component

CLASSES = 6
OPTIONS: dict[str, dict[str, Any]] = {"copy_blob": {"pairs": [[1, 0], [3, 2]]}, "cutout": {"hole_px": 9}}
"""What has no default, or one that is too large for small images."""


def every() -> list[str]:
    return names.names("augment")


def built(name: str, **options: Any) -> Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]:
    """The transform `name` of the table with the options that small images need."""
    transform: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
    transform = names.build("augment", Component(name=name, options={**OPTIONS.get(name, {}), **options}))
    return transform


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def coordinates(count: int, height: int, width: int) -> Tensor:
    """Images (N, 3, H, W) whose channels are sample, row and column, counted from 1: 0 is left for what is filled."""
    places = torch.meshgrid(torch.arange(count), torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack(places, 1).float() + 1


def patches(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Labels (N, H, W): patches of 4 x 4 px of CLASSES classes and some IGNORE; not all classes in every sample."""
    codes = torch.tensor([*range(CLASSES), IGNORE])
    drawn = torch.randint(len(codes), (count, -(-height // 4), -(-width // 4)), generator=generator(seed))
    return codes[drawn].repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :height, :width].contiguous()


def photos(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Normalised images (N, 3, H, W) of all colours of the cube, its corners and greys among them."""
    from bench.batches import normalise

    pixels = torch.randint(256, (count, 3, height, width), generator=generator(seed), dtype=torch.uint8)
    pixels[..., 0] = torch.where(pixels[..., 0] > 127, 255, 0)
    pixels[..., 1] = pixels[:, :1, :, 1]
    return normalise(pixels)
