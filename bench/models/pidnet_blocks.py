"""The parts PIDNet is made of beside residual blocks: segmentation head, guided fusions, pyramid pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.resnet import conv1x1, conv3x3


def resize(x: Tensor, like: Tensor) -> Tensor:
    """`x` (N, C, h, w) bilinearly resized to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def conv_bn(conv: nn.Conv2d) -> nn.Sequential:
    """`conv` followed by BN."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))


def bn_relu(conv: nn.Conv2d, *before: nn.Module) -> nn.Sequential:
    """`before`, then BN and ReLU in front of `conv` (pre-activation)."""
    return nn.Sequential(*before, nn.BatchNorm2d(conv.in_channels), nn.ReLU(inplace=True), conv)


class Head(nn.Module):
    """Pre-activated 3x3 then 1x1 convolution: (N, Cin, h, w) -> raw logits (N, Cout, h, w)."""

    def __init__(self, in_channels: int, width: int, out_channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv3x3(in_channels, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(F.relu(self.bn1(x), inplace=True))
        logits: Tensor = self.conv2(F.relu(self.bn2(x), inplace=True))
        return logits


class PixelAttention(nn.Module):
    """Pag: the detail branch takes from the context branch where the two agree.

    p (N, C, H, W), i (N, C, h, w) -> (N, C, H, W).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.f_x = conv_bn(conv1x1(channels, width))
        self.f_y = conv_bn(conv1x1(channels, width))

    def forward(self, p: Tensor, i: Tensor) -> Tensor:
        # Projected at i's own size: after the resize BN would see other statistics in training.
        agreement = (self.f_x(p) * resize(self.f_y(i), p)).sum(dim=1, keepdim=True)
        gate = torch.sigmoid(agreement)
        return (1 - gate) * p + gate * resize(i, p)


class LightBoundaryFusion(nn.Module):
    """Light Bag: boundaries `d` choose detail `p`, elsewhere context `i`; all (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_p = conv_bn(conv1x1(channels, channels))
        self.conv_i = conv_bn(conv1x1(channels, channels))

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        gate = torch.sigmoid(d)
        fused: Tensor = self.conv_p((1 - gate) * i + p) + self.conv_i(i + gate * p)
        return fused


class BoundaryFusion(nn.Module):
    """Bag: as the light form, with one 3x3 convolution over the mixture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = bn_relu(conv3x3(channels, channels))

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        gate = torch.sigmoid(d)
        fused: Tensor = self.conv(gate * p + (1 - gate) * i)
        return fused


class _Pyramid(nn.Module):
    """What both pyramids share: the map itself, three average-pooled ones and the global mean, each `width` wide.

    Padding counts into the averages.  The global mean gives BN one value per channel and image: in train mode a batch
    of one image cannot be normalised.
    """

    def __init__(self, in_channels: int, width: int, out_channels: int) -> None:
        super().__init__()
        self.scale1 = bn_relu(conv1x1(in_channels, width), nn.AvgPool2d(5, 2, 2))
        self.scale2 = bn_relu(conv1x1(in_channels, width), nn.AvgPool2d(9, 4, 4))
        self.scale3 = bn_relu(conv1x1(in_channels, width), nn.AvgPool2d(17, 8, 8))
        self.scale4 = bn_relu(conv1x1(in_channels, width), nn.AdaptiveAvgPool2d(1))
        self.scale0 = bn_relu(conv1x1(in_channels, width))
        self._add_processing(width)
        self.compression = bn_relu(conv1x1(5 * width, out_channels))
        self.shortcut = bn_relu(conv1x1(in_channels, out_channels))

    def _add_processing(self, width: int) -> None:
        raise NotImplementedError

    def _process(self, own: Tensor, pooled: list[Tensor]) -> list[Tensor]:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        own = self.scale0(x)
        scales = (self.scale1, self.scale2, self.scale3, self.scale4)
        maps = self._process(own, [resize(scale(x), x) for scale in scales])
        out: Tensor = self.compression(torch.cat(maps, dim=1)) + self.shortcut(x)
        return out


class ParallelPyramid(_Pyramid):
    """PAPPM: all pooled maps refined at once by one grouped convolution; (N, C, h, w) -> (N, Cout, h, w)."""

    def _add_processing(self, width: int) -> None:
        self.scale_process = bn_relu(nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4, bias=False))

    def _process(self, own: Tensor, pooled: list[Tensor]) -> list[Tensor]:
        return [own, self.scale_process(torch.cat([scale + own for scale in pooled], dim=1))]


class CascadedPyramid(_Pyramid):
    """DAPPM (Hong et al. 2021, arXiv 2101.06085): each pooled map refined on top of the finer one before it."""

    def _add_processing(self, width: int) -> None:
        for k in (1, 2, 3, 4):
            self.add_module(f"process{k}", bn_relu(conv3x3(width, width)))

    def _process(self, own: Tensor, pooled: list[Tensor]) -> list[Tensor]:
        maps = [own]
        for k, scale in enumerate(pooled, 1):
            maps.append(self.get_submodule(f"process{k}")(scale + maps[-1]))
        return maps
