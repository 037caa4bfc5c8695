"""DeepLabV2-ResNet101 (Chen et al. 2016): normalised images in -> logits at stride 8 out."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bench.models.initial import narrow_normal, start_convolutions
from bench.models.resnet import ResNet
from bench.models.segmodel import SegModel
from bench.models.weights import load_imagenet, refuse_imagenet

RATES = (6, 12, 18, 24)


def deeplabv2_resnet101(
    num_classes: int,
    *,
    variant: Literal["caffe", "torchvision"] = "caffe",
    pretrained: Literal["imagenet"] | None = None,
) -> SegModel:
    """DeepLabV2 with a dilated ResNet-101: four atrous branches summed, 43.0 M parameters, logits at stride 8.

    `variant` says which of two bodies with the same parameters is built; weights and operation counts of one are not
    those of the other, so it is part of the model's identity:
    "caffe" (the original and the domain-adaptation literature; 512 px -> 65 x 65 logits, every convolution starts
    N(0, 0.01)) or "torchvision" (512 px -> 64 x 64, body starts kaiming-normal).
    `pretrained="imagenet"` loads torchvision's ResNet-101 into the "torchvision" body.

    Raises BenchError for ImageNet weights with the "caffe" body, and when they cannot be fetched.
    """
    if pretrained is not None and variant == "caffe":
        refuse_imagenet("the caffe variant has other strides and dilations", "use `variant: torchvision`")
    model = DeepLabV2(num_classes, variant)
    if pretrained is not None:
        load_imagenet(model, "resnet101")
    return model


class AtrousBranches(nn.Module):
    """Four dilated 3x3 convolutions over the same map, summed: (N, 2048, h, w) -> logits (N, K, h, w).

    Weights start N(0, 0.01), biases as PyTorch does, uniform within +-1/sqrt(fan_in).
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv2d_list = nn.ModuleList(
            nn.Conv2d(in_channels, num_classes, 3, padding=rate, dilation=rate) for rate in RATES
        )
        start_convolutions(self, narrow_normal)

    def forward(self, features: Tensor) -> Tensor:
        total: Tensor = self.conv2d_list[0](features)
        for branch in self.conv2d_list[1:]:
            total = total + branch(features)
        return total


class DeepLabV2(SegModel, ResNet):
    """images (N, 3, H, W) -> {"out": logits (N, K, h, w)}; h is ceil(H/8) or, in the caffe body, up to one more.

    L.-C. Chen et al., "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully
    Connected CRFs", arXiv 1606.00915, section 3 (ASPP).
    Differs from the paper in: one input scale instead of the maximum over three, no CRF; BN is trained, scale and
    shift included.
    """

    def __init__(self, num_classes: int, variant: Literal["caffe", "torchvision"]) -> None:
        caffe = variant == "caffe"
        super().__init__(
            101,
            strides=(1, 2, 1, 1),
            # torchvision's block 0 of a layer whose stride became a dilation keeps the dilation of the layer before.
            dilations=((1, 1), (1, 1), (2, 2), (4, 4)) if caffe else ((1, 1), (1, 1), (1, 2), (2, 4)),
            stride_first=caffe,
            ceil_mode=caffe,
        )
        self.classifier = AtrousBranches(self.channels[-1], num_classes)
        if caffe:
            start_convolutions(self, narrow_normal)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.classifier(self.features(images)[-1])}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [*self.body_stages(), ("head", [self.classifier])]
