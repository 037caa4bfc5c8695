"""Residual blocks and the ResNet body (He et al. 2016): normalised images in -> feature maps of five depths out.

Written here, not borrowed, because the networks need three things that a library's ResNet does not offer together:
where the stride of a bottleneck sits, which blocks are dilated, and whether a block ends in a ReLU.
Parameter names are torchvision's, so that its ImageNet weights fit.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.initial import he_normal, start_convolutions

Widths = tuple[int, int, int, int]
Dilations = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""Per layer: (dilation of block 0, dilation of the blocks after it)."""

UNDILATED: Dilations = ((1, 1), (1, 1), (1, 1), (1, 1))


class Depth(NamedTuple):
    """`blocks` per layer, and `expansion` of a bottleneck; None stands for basic blocks."""

    blocks: Widths
    expansion: int | None


DEPTHS = {
    18: Depth((2, 2, 2, 2), None),
    34: Depth((3, 4, 6, 3), None),
    101: Depth((3, 4, 23, 3), 4),
}


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without bias that keeps the size (stride 1)."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, dilation, dilation, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The projection a block needs when its output has another shape than its input, else None."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: (N, Cin, H, W) -> (N, Cout, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, final_relu: bool = True) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = shortcut(in_channels, out_channels, stride)
        self.relu = nn.ReLU(inplace=True)
        self.final_relu = final_relu

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return _join(out, x, self)


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3, 1x1 to Cout, around a shortcut: (N, Cin, H, W) -> (N, Cout, H/stride, W/stride).

    `stride_first` puts the stride into the first 1x1 convolution (the original Caffe networks) instead of the 3x3 one
    (torchvision): same parameters, other numbers.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        stride_first: bool = False,
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = conv1x1(in_channels, width, stride if stride_first else 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, 1 if stride_first else stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = shortcut(in_channels, out_channels, stride)
        self.relu = nn.ReLU(inplace=True)
        self.final_relu = final_relu

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return _join(out, x, self)


def _join(out: Tensor, x: Tensor, block: BasicBlock | Bottleneck) -> Tensor:
    """A block's end: its result plus its shortcut of the input, rectified unless the caller does that."""
    total: Tensor = out + (x if block.downsample is None else block.downsample(x))
    return F.relu(total, inplace=True) if block.final_relu else total


class ResNet(nn.Module):
    """The body without pooling head: images (N, 3, H, W) -> five maps, the stem's and one per layer.

    Strides of the maps are 2, 4, 4*s2, ... with `strides` of the four layers; `channels` holds their widths.
    `ceil_mode` rounds the size after the max pool up (Caffe) instead of down.
    Convolutions start kaiming-normal over fan_out, BN at 1/0.  Dilations and `stride_first` act on bottlenecks only.
    """

    def __init__(
        self,
        depth: Literal[18, 34, 101],
        *,
        strides: Widths = (1, 2, 2, 2),
        dilations: Dilations = UNDILATED,
        stride_first: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        counts, expansion = DEPTHS[depth]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_mode)
        self.channels = [64]
        for i, (count, stride, dilation) in enumerate(zip(counts, strides, dilations, strict=True)):
            width = 64 * 2**i
            channels = width * (expansion or 1)
            blocks: list[nn.Module] = []
            for j in range(count):
                before, step, rate = (channels, 1, dilation[1]) if j else (self.channels[-1], stride, dilation[0])
                blocks.append(
                    BasicBlock(before, channels, stride=step)
                    if expansion is None
                    else Bottleneck(before, width, channels, stride=step, dilation=rate, stride_first=stride_first)
                )
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
            self.channels.append(channels)
        start_convolutions(self, he_normal)

    def features(self, images: Tensor) -> list[Tensor]:
        """The five maps, shallow to deep."""
        maps = [self.relu(self.bn1(self.conv1(images)))]
        x = self.maxpool(maps[0])
        for layer in self.layers():
            x = layer(x)
            maps.append(x)
        return maps

    def layers(self) -> list[nn.Module]:
        """The four residual layers, shallow to deep."""
        return [self.get_submodule(f"layer{i}") for i in (1, 2, 3, 4)]

    def forward(self, images: Tensor) -> object:  # the five maps here, named logits in a network built on this body
        return self.features(images)

    def body_stages(self) -> list[tuple[str, list[nn.Module]]]:
        """(name, modules) from stem to layer4: a partition of the body's parameters."""
        return [("stem", [self.conv1, self.bn1]), *((f"layer{i}", [m]) for i, m in enumerate(self.layers(), 1))]
