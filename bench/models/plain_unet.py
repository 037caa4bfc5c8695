"""UNet of plain convolutions (Ronneberger et al. 2015): normalised images in -> logits at the images' size out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.initial import he_normal, start_convolutions
from bench.models.resnet import conv3x3
from bench.models.segmodel import SegModel
from bench.spec import BenchError


def unet(num_classes: int, *, depth: int = 4, width: int = 64, residual: bool = False) -> SegModel:
    """UNet of plain convolutions: `width` channels, doubled at each of `depth` halvings; 31.0 M parameters.

    With `residual` each pair of convolutions has a shortcut (Zhang et al. 2018, arXiv 1711.10684).  Raises BenchError
    for a depth outside 1..7 or a width below 1.
    """
    for key, value, most in (("depth", depth, 7), ("width", width, 4096)):
        if not 1 <= value <= most:
            raise BenchError(f"{value} is no {key} of a UNet", remedy=f"write 1 to {most}", key=key)
    return PlainUNet(num_classes, [width * 2**level for level in range(depth + 1)], residual=residual)


class Pair(nn.Module):
    """Twice a 3x3 convolution, BN and ReLU; with `residual` a shortcut joins before the last ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, residual: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(in_channels, out_channels), nn.BatchNorm2d(out_channels)
        self.conv2, self.bn2 = conv3x3(out_channels, out_channels), nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out if self.shortcut is None else out + self.shortcut(x), inplace=True)


class Up(nn.Module):
    """A deep map doubled to the size of its skip map, halved in channels, joined with it: -> (N, channels, h, w)."""

    def __init__(self, channels: int, *, residual: bool) -> None:
        super().__init__()
        self.grow = nn.ConvTranspose2d(2 * channels, channels, 2, 2)
        self.pair = Pair(2 * channels, channels, residual=residual)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        x = self.grow(deep)
        if x.shape[-2:] != skip.shape[-2:]:  # a side that was odd lost a pixel on its way down
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
        out: Tensor = self.pair(torch.cat([skip, x], dim=1))
        return out


class PlainUNet(SegModel):
    """images (N, 3, H, W) of any size -> {"out": logits (N, K, H, W)}; `widths` of the levels, full size first.

    O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    arXiv 1505.04597, section 2.
    Differs from the paper in: padded convolutions, so that the output has the input's size and nothing is cropped; BN;
    no dropout at the deepest level.
    """

    def __init__(self, num_classes: int, widths: list[int], *, residual: bool) -> None:
        super().__init__()
        pairs = zip([3, *widths], widths, strict=False)
        self.down = nn.ModuleList(Pair(before, after, residual=residual) for before, after in pairs)
        self.up = nn.ModuleList(Up(width, residual=residual) for width in reversed(widths[:-1]))
        self.head = nn.Conv2d(widths[0], num_classes, 1)
        start_convolutions(self, he_normal)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        if min(images.shape[-2:]) < 2 ** len(self.up):
            size = "x".join(map(str, images.shape[-2:]))
            side = 2 ** len(self.up)
            raise BenchError(f"a UNet of depth {len(self.up)} takes no {size}", remedy=f"use sides of {side} or more")
        maps = [self.down[0](images)]
        for pair in list(self.down)[1:]:
            maps.append(pair(F.max_pool2d(maps[-1], 2)))
        x = maps.pop()
        for up, skip in zip(self.up, reversed(maps), strict=True):
            x = up(x, skip)
        return {"out": self.head(x)}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        stem, *levels = self.down
        named = [(f"level{i}", [level]) for i, level in enumerate(levels, 1)]
        return [("stem", [stem]), *named, ("decoder", [self.up]), ("head", [self.head])]
