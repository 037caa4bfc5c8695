"""A batch of logits -> what every score looks at: probabilities on a grid of bounded size."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

SIDE = 128
"""Every side is thinned to fewer than twice as many pixels: scores need a sample, not each pixel of a large image."""


@dataclass(frozen=True)
class View:
    """What a network makes of a batch: `log` float (B, K, h, w), its log-probabilities on the thinned grid.

    `altered` classes (B, h, w) it gives to the same images mirrored and in other colours, mirrored back; `taught`
    those that the teacher gives, if there is one; `first` is the number of the first image.
    """

    log: Tensor
    altered: Tensor
    taught: Tensor | None
    first: int


def thinned(values: Tensor) -> Tensor:
    """(..., h, w) -> every n-th row and column, so that fewer than 2 x SIDE of each are left."""
    height, width = values.shape[-2:]
    return values[..., :: max(1, height // SIDE), :: max(1, width // SIDE)]


def log_probabilities(logits: Tensor) -> Tensor:
    """(B, K, h, w) -> float32 (B, K, h', w')."""
    return thinned(logits).float().log_softmax(1)


def labels_at(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (B, H, W) -> the label nearest to each of (h, w) logits, thinned as they are; int64."""
    if tuple(labels.shape[-2:]) != size:
        labels = F.interpolate(labels[:, None].float(), size, mode="nearest-exact")[:, 0]
    return thinned(labels).long()
