"""The ConvNeXt body (Liu et al. 2022): images -> maps at strides 4, 8, 16, 32.  Named as torchvision names it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYER_SCALE = 1e-6
"""What each block's part starts at (appendix A), so that a deep network starts near the identity."""


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps).permute(
            0, 3, 1, 2
        )


class Turned(nn.Module):
    """Swaps channels first for channels last, or back: (N, A, B, C) -> the axes in `order`."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.order)


class Block(nn.Module):
    """Depthwise 7x7, LayerNorm, four times as wide, GELU, back; added to its input, scaled per channel (section 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            Turned(0, 2, 3, 1),
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            Turned(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layer_scale * self.block(x)
        return out


class ConvNeXt(nn.Module):
    """The body without pooling head: images (N, 3, H, W) -> four maps; `channels` holds their widths.

    Z. Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545, section 2 and table 9.  Odd sizes are padded at the
    bottom and right by their last pixels, so that maps have sizes rounded up.  Weights start as truncated normal 0.02.
    Differs from the paper in: no stochastic depth; the padding.
    """

    def __init__(self, depths: Sequence[int] = (3, 3, 9, 3), width: int = 96) -> None:
        super().__init__()
        self.channels = [width * 2**i for i in range(len(depths))]
        steps: list[nn.Module] = []
        before = 3
        for depth, channels in zip(depths, self.channels, strict=True):
            if steps:
                steps.append(nn.Sequential(ChannelNorm(before, eps=1e-6), nn.Conv2d(before, channels, 2, 2)))
            else:
                steps.append(nn.Sequential(nn.Conv2d(3, channels, 4, 4), ChannelNorm(channels, eps=1e-6)))
            steps.append(nn.Sequential(*(Block(channels) for _ in range(depth))))
            before = channels
        self.features = nn.Sequential(*steps)
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)) and not part.weight.is_meta:
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The four maps, shallow to deep."""
        maps: list[Tensor] = []
        x = images
        for shrink, blocks in self.levels():
            x = blocks(shrink(_whole(x, 2 if maps else 4)))
            maps.append(x)
        return maps

    def levels(self) -> list[tuple[nn.Module, nn.Module]]:
        """(what shrinks, its blocks) of each level, shallow to deep."""
        parts = list(self.features)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def body_stages(self) -> list[tuple[str, list[nn.Module]]]:
        """(name, modules) from stem to layer4: a partition of the body's parameters."""
        (stem, first), *deeper = self.levels()
        named: list[tuple[str, list[nn.Module]]] = [("stem", [stem]), ("layer1", [first])]
        return named + [(f"layer{i}", [shrink, blocks]) for i, (shrink, blocks) in enumerate(deeper, 2)]


def _whole(x: Tensor, stride: int) -> Tensor:
    """`x` with sides that are multiples of `stride`."""
    height, width = x.shape[-2:]
    below, right = -height % stride, -width % stride
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
