"""UNet on a ResNet encoder (Ronneberger et al. 2015): normalised images in -> logits at the images' size out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.initial import he_uniform, start_convolutions
from bench.models.resnet import ResNet, conv3x3
from bench.models.segmodel import SegModel
from bench.models.weights import load_imagenet

WIDTHS = (256, 128, 64, 32, 16)


def unet_resnet18(num_classes: int, *, pretrained: Literal["imagenet"] | None = None) -> SegModel:
    """UNet with a ResNet-18 encoder: 14.3 M parameters, logits at full size.

    `pretrained="imagenet"` loads torchvision's ResNet-18 into the encoder; raises BenchError when it cannot be fetched.
    """
    return _unet(18, num_classes, pretrained)


def unet_resnet34(num_classes: int, *, pretrained: Literal["imagenet"] | None = None) -> SegModel:
    """UNet with a ResNet-34 encoder: 24.4 M parameters, logits at full size.

    `pretrained="imagenet"` loads torchvision's ResNet-34 into the encoder; raises BenchError when it cannot be fetched.
    """
    return _unet(34, num_classes, pretrained)


def _unet(depth: Literal[18, 34], num_classes: int, pretrained: Literal["imagenet"] | None) -> SegModel:
    model = UNet(depth, num_classes)
    if pretrained is not None:
        load_imagenet(model.encoder, "resnet18" if depth == 18 else "resnet34")
    return model


class UpBlock(nn.Module):
    """A deep map grown to the next shallower size and joined with its skip map: -> (N, out_channels, *size)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _conv_bn_relu(in_channels, out_channels)
        self.conv2 = _conv_bn_relu(out_channels, out_channels)

    def forward(self, deep: Tensor, size: torch.Size, skip: Tensor | None) -> Tensor:
        # Towards the exact size, not by a factor of 2: images need not be multiples of 32.
        x = F.interpolate(deep, size=size, mode="nearest")
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        out: Tensor = self.conv2(self.conv1(x))
        return out


class Decoder(nn.Module):
    """An up-block per halving, from the deepest map back to the images' size.

    `channels` are those of the encoder's maps at strides 2, 4, 8, ..., 0 where it has none at that stride.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        deep, *skips = reversed(channels)
        blocks = []
        for skip, width in zip((*skips, 0), widths, strict=True):
            blocks.append(UpBlock(deep + skip, width))
            deep = width
        self.blocks = nn.ModuleList(blocks)
        start_convolutions(self, he_uniform)

    def forward(self, images: Tensor, maps: Sequence[Tensor | None]) -> Tensor:
        x, *skips = reversed(maps)
        for left, block, skip in zip(reversed(range(len(maps))), self.blocks, (*skips, None), strict=True):
            x = block(x, halved(images, left) if skip is None else skip.shape[-2:], skip)
        return cast(Tensor, x)


def halved(images: Tensor, times: int) -> torch.Size:
    """The size of `images` after so many halvings, rounded up."""
    return torch.Size(-(-side // 2**times) for side in images.shape[-2:])


def segmentation_head(channels: int, num_classes: int) -> nn.Sequential:
    """A 3x3 convolution from the decoder's last map to logits."""
    head = nn.Conv2d(channels, num_classes, 3, padding=1)
    if not head.weight.is_meta:
        nn.init.xavier_uniform_(head.weight)
        nn.init.zeros_(cast(Tensor, head.bias))
    return nn.Sequential(head)


class UNet(SegModel):
    """images (N, 3, H, W) of any size -> {"out": logits (N, K, H, W)}.

    O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    arXiv 1505.04597, section 2.
    Differs from the paper in: a residual encoder (He et al. 2016), nearest resize in place of up-convolutions, padded
    convolutions with BN, so that the output has the input's size.
    """

    def __init__(self, depth: Literal[18, 34], num_classes: int) -> None:
        super().__init__()
        self.encoder = ResNet(depth)
        self.decoder = Decoder(self.encoder.channels)
        self.segmentation_head = segmentation_head(WIDTHS[-1], num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.segmentation_head(self.decoder(images, self.encoder(images)))}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [*self.encoder.body_stages(), ("decoder", [self.decoder]), ("head", [self.segmentation_head])]


def _conv_bn_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(in_channels, out_channels), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
