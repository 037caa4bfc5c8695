"""A map of class scores -> which domain each patch of it looks like: the small network of adversarial methods."""

from __future__ import annotations

import itertools
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from bench.spec import BenchError

Game = Literal["bce", "least_squares"]

SOURCE, TARGET = 0.0, 1.0

STRIDE = 32


class Discriminator(nn.Sequential):
    """float (N, K, H, W) -> logits (N, 1, H // 32, W // 32): five 4 x 4 convolutions of stride 2, not normalised.

    2,768,833 parameters for 7 classes.  Raises BenchError for a side below 32 pixels.

    Source: AdaptSegNet, arXiv 1802.10349, section 4.3, after DCGAN.  As in the paper.
    """

    def __init__(self, num_classes: int, width: int = 64) -> None:
        sides = [num_classes, width, 2 * width, 4 * width, 8 * width, 1]
        layers: list[nn.Module] = []
        for inside, outside in itertools.pairwise(sides):
            layers += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        super().__init__(*layers[:-1])

    def forward(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[-2:]
        if min(height, width) < STRIDE:
            problem = f"a discriminator sees images of {STRIDE} pixels a side and more, not {width}x{height}"
            raise BenchError(problem, remedy="raise `crop_px`", key="crop_px")
        logits: Tensor = super().forward(maps)  # type: ignore[no-untyped-call]
        return logits


def verdict(logits: Tensor, domain: float, game: Game) -> Tensor:
    """How far a discriminator's `logits` are from saying `domain`, mean over patches."""
    if game == "least_squares":
        return (logits - domain).square().mean()
    return F.softplus(-logits if domain == TARGET else logits).mean()
