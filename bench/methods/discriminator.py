"""A map of class scores -> which domain each patch of it looks like: the small network of adversarial methods."""

from __future__ import annotations

import itertools
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Game = Literal["bce", "least_squares"]

SOURCE, TARGET = 0.0, 1.0


class Discriminator(nn.Sequential):
    """float (N, K, H, W) -> logits (N, 1, H / 32, W / 32): five 4 x 4 convolutions of stride 2, without normalisation.

    Source: AdaptSegNet, arXiv 1802.10349, section 4.2, after DCGAN; 2,768,833 parameters for 7 classes.
    """

    def __init__(self, num_classes: int, width: int = 64) -> None:
        sides = [num_classes, width, 2 * width, 4 * width, 8 * width, 1]
        layers: list[nn.Module] = []
        for i, (inside, outside) in enumerate(itertools.pairwise(sides)):
            layers.append(nn.Conv2d(inside, outside, 4, stride=2, padding=1))
            if i < 4:
                layers.append(nn.LeakyReLU(0.2))
        super().__init__(*layers)


def verdict(logits: Tensor, domain: float, game: Game) -> Tensor:
    """How far a discriminator's `logits` are from saying `domain`, mean over patches."""
    if game == "least_squares":
        return (logits - domain).square().mean()
    return (F.softplus(-logits) if domain == TARGET else F.softplus(logits)).mean()
