"""Networks: a name and a number of classes -> SegModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.names.families import Family
from bench.spec import Component, ModelSpec

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel

MODELS = {
    "deeplabv2_resnet101": ModelSpec(
        "bench.models.deeplabv2:deeplabv2_resnet101", "DeepLabV2-ResNet101", "Chen et al. 2016, arXiv 1606.00915"
    ),
    "pidnet_l": ModelSpec("bench.models.pidnet:pidnet_l", "PIDNet-L", "Xu et al. 2022, arXiv 2206.02066"),
    "pidnet_m": ModelSpec("bench.models.pidnet:pidnet_m", "PIDNet-M", "Xu et al. 2022, arXiv 2206.02066"),
    "pidnet_s": ModelSpec("bench.models.pidnet:pidnet_s", "PIDNet-S", "Xu et al. 2022, arXiv 2206.02066"),
    "unet": ModelSpec("bench.models.plain_unet:unet", "UNet", "Ronneberger et al. 2015, arXiv 1505.04597"),
    "unet_convnext": ModelSpec(
        "bench.models.unet_convnext:unet_convnext", "UNet-ConvNeXt", "Liu et al. 2022, arXiv 2201.03545"
    ),
    "unet_resnet18": ModelSpec(
        "bench.models.unet:unet_resnet18", "UNet-ResNet18", "Ronneberger et al. 2015, arXiv 1505.04597"
    ),
    "unet_resnet34": ModelSpec(
        "bench.models.unet:unet_resnet34", "UNet-ResNet34", "Ronneberger et al. 2015, arXiv 1505.04597"
    ),
}

_TORCHVISION = (
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet101",
    "deeplabv3_resnet50",
    "fcn_resnet101",
    "fcn_resnet50",
    "lraspp_mobilenet_v3_large",
)
_SMP = (
    "DPT",
    "DeepLabV3",
    "DeepLabV3Plus",
    "FPN",
    "Linknet",
    "MAnet",
    "PAN",
    "PSPNet",
    "Segformer",
    "UPerNet",
    "Unet",
    "UnetPlusPlus",
)

FAMILIES = {
    "hf": Family(
        "bench.models.zoo.transformers_models:hf",
        "hf:nvidia/segformer-<size>",
        "hf:nvidia/segformer-b0",
        "transformers",
        "transformers",
        "zoo",
        tuple(f"nvidia/segformer-b{size}" for size in range(6)),
        "Xie et al. 2021, arXiv 2105.15203",
    ),
    "smp": Family(
        "bench.models.zoo.smp_models:smp",
        "smp:<architecture>/<encoder>",
        "smp:Unet/resnet34",
        "segmentation-models-pytorch",
        "segmentation_models_pytorch",
        "zoo",
        _SMP,
    ),
    "timm": Family("bench.models.zoo.timm_encoders:timm", "timm:<encoder>", "timm:resnet18", "timm", "timm", "zoo"),
    "tv": Family(
        "bench.models.zoo.torchvision_models:tv",
        "tv:<network>",
        "tv:deeplabv3_resnet50",
        "torchvision",
        "torchvision",
        "",
        _TORCHVISION,
    ),
}
"""Prefix -> the networks of a library, built when they are asked for."""


def make_model(name: str, num_classes: int, **options: Any) -> SegModel:
    """The network `name` for `num_classes` classes, freshly initialised; raises BenchError on unknown names."""
    from bench import names

    model: SegModel = names.build("model", Component(name=name, options=options), num_classes)
    return model
