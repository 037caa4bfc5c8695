"""UNet on a ConvNeXt encoder: normalised images in -> logits at the images' size out."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bench.models.convnext import ConvNeXt
from bench.models.segmodel import SegModel
from bench.models.unet import WIDTHS, Decoder, segmentation_head
from bench.models.weights import load_imagenet, refuse_imagenet
from bench.spec import BenchError

TINY = ((3, 3, 9, 3), 96)


def unet_convnext(
    num_classes: int,
    *,
    depths: tuple[int, int, int, int] = (3, 3, 9, 3),
    width: int = 96,
    pretrained: Literal["imagenet"] | None = None,
) -> SegModel:
    """UNet with a ConvNeXt encoder, of the size called tiny: 31.9 M parameters, logits at full size.

    `depths` are the blocks of the four levels, `width` the channels of the first.  `pretrained="imagenet"` loads
    torchvision's ConvNeXt-Tiny into the encoder; raises BenchError when it cannot be fetched, or for another size.
    """
    if min(depths) < 1 or not 1 <= width <= 4096:
        key = "width" if min(depths) > 0 else "depths"
        raise BenchError(f"no ConvNeXt of depths {list(depths)} and width {width}", remedy="use 1 or more", key=key)
    if pretrained is not None and (tuple(depths), width) != TINY:
        refuse_imagenet("there are none of other depths and widths", "leave `depths` and `width` out")
    model = UNetConvNeXt(num_classes, tuple(depths), width)
    if pretrained is not None:
        load_imagenet(model.encoder, "convnext_tiny")
    return model


class UNetConvNeXt(SegModel):
    """images (N, 3, H, W) of any size -> {"out": logits (N, K, H, W)}.

    Z. Han, M. Jian, G.-G. Wang, "ConvUNeXt: An efficient convolution neural network for medical image segmentation",
    Knowledge-Based Systems 253, 2022: ConvNeXt's blocks in a UNet.  The encoder is that of Liu et al. 2022.
    Differs from the paper in: ConvNeXt's own stem (stride 4), widths and depths, so that ImageNet weights fit; the
    decoder is that of `unet_resnet18`, without attention gates.
    """

    def __init__(self, num_classes: int, depths: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.encoder = ConvNeXt(depths, width)
        self.decoder = Decoder([0, *self.encoder.channels])  # the stem goes straight to stride 4
        self.segmentation_head = segmentation_head(WIDTHS[-1], num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.segmentation_head(self.decoder(images, [None, *self.encoder(images)]))}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [*self.encoder.body_stages(), ("decoder", [self.decoder]), ("head", [self.segmentation_head])]
