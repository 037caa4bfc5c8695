"""Small networks for the cost tests, with counts that can be worked out by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TwoHeads(nn.Module):
    """A segmenter with an auxiliary head that `deployed` leaves out; 8 channels, 5 classes."""

    def __init__(self, aux: bool = True) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.head, self.aux = nn.Conv2d(8, 5, 1), nn.Conv2d(8, 5, 1) if aux else None
        self.autocast_dtype: torch.dtype | None = None

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = torch.relu(self.norm(self.stem(images)))
        outputs = {"out": self.head(features)}
        if self.aux is not None:
            outputs["aux"] = self.aux(features)
        return outputs

    def deployed(self) -> nn.Module:
        return nn.Sequential(self.stem, self.norm, nn.ReLU(), self.head)


STEM, HEAD, NORM = 3 * 8 * 9, 8 * 5, 2 * 8
"""Multiply-adds (for the norm: fvcore's count) per pixel of TwoHeads."""


class Attention(nn.Module):
    """fvcore does not know fused attention; torch's counter does."""

    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(2)
        return F.scaled_dot_product_attention(rows, rows, rows)

    def deployed(self) -> nn.Module:
        return self


class Prior(nn.Module):
    """Multiplies two weights, whatever the batch: its figure per image depends on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))

    def forward(self, images: Tensor) -> Tensor:
        return images * (self.left @ self.right).sum()
