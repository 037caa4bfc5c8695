"""timm's encoders under our UNet decoder: a name -> SegModel."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor

from bench.models.unet import WIDTHS, Decoder, segmentation_head
from bench.models.zoo.foreign import Foreign, Stages, assemble, body_stages, library, not_fetched, on_meta
from bench.spec import BenchError


def timm(variant: str, num_classes: int, *, pretrained: Literal["imagenet"] | None = None) -> Foreign:
    """UNet on any of timm's encoders that gives a pyramid of maps; the decoder is that of unet_resnet18.

    `pretrained="imagenet"` fetches the weights that timm has under that name (`convnext_tiny.fb_in22k` names others);
    raises BenchError when they cannot be had, and for an encoder that timm has not or that gives no pyramid.
    """
    name, package = f"timm:{variant}", library("timm")
    if not package.is_model(variant.partition(".")[0]):
        from bench.names import near

        remedy = near(variant, package.list_models())
        raise BenchError(f"timm has no encoder '{variant}'", remedy=remedy, key="model")
    weights = pretrained is not None and not on_meta()
    try:
        encoder = assemble(lambda: package.create_model(variant, features_only=True, pretrained=weights))
    except Exception as fault:
        if weights:
            not_fetched(name, fault)
        problem = f"{name} gives no maps: {type(fault).__name__}: {fault}"
        raise BenchError(" ".join(problem.split()), remedy="choose a convolutional encoder", key="model") from fault
    return EncoderUNet(name, encoder, num_classes)


def pyramid(name: str, strides: list[int], channels: list[int]) -> list[int]:
    """The channels at strides 2, 4, ..., 0 where there is no map; raises BenchError for what is no pyramid."""
    levels = [math.log2(stride) for stride in strides]
    if len(strides) < 2 or levels != sorted({round(level) for level in levels} - {0}) or len(levels) > len(WIDTHS):
        problem = f"{name} gives maps at strides {', '.join(map(str, strides))}, which is no pyramid"
        raise BenchError(problem, remedy="choose an encoder such as timm:resnet50 or timm:convnext_tiny", key="model")
    found = dict(zip(map(round, levels), channels, strict=True))
    return [found.get(level, 0) for level in range(1, round(levels[-1]) + 1)]


class EncoderUNet(Foreign):
    """images (N, 3, H, W) -> {"out": logits (N, K, H, W)}.

    O. Ronneberger, P. Fischer, T. Brox, arXiv 1505.04597, section 2.
    Differs from the paper in: the encoder, and in what `bench.models.unet.UNet` says of the decoder.
    """

    def __init__(self, name: str, encoder: Any, num_classes: int) -> None:
        super().__init__(name)
        self.encoder = encoder
        self.channels = pyramid(name, encoder.feature_info.reduction(), encoder.feature_info.channels())
        self.channels_last_axis = str(getattr(encoder, "output_fmt", "")).endswith("NHWC")
        widths = WIDTHS[-len(self.channels) :]
        self.decoder = Decoder(self.channels, widths)
        self.segmentation_head = segmentation_head(WIDTHS[-1], num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = iter(self.encoder(images))
        found = [self._planar(next(maps)) if channels else None for channels in self.channels]
        return {"out": self.segmentation_head(self.decoder(images, found))}

    def _planar(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2) if self.channels_last_axis else x

    def stages(self) -> Stages:
        return [*body_stages(self.encoder), ("decoder", [self.decoder]), ("head", [self.segmentation_head])]
