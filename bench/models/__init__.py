"""Networks: a name and a number of classes -> SegModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    "unet_resnet18": ModelSpec(
        "bench.models.unet:unet_resnet18", "UNet-ResNet18", "Ronneberger et al. 2015, arXiv 1505.04597"
    ),
    "unet_resnet34": ModelSpec(
        "bench.models.unet:unet_resnet34", "UNet-ResNet34", "Ronneberger et al. 2015, arXiv 1505.04597"
    ),
}


def make_model(name: str, num_classes: int, **options: Any) -> SegModel:
    """The network `name` for `num_classes` classes, freshly initialised; raises BenchError on unknown names."""
    from bench import names

    model: SegModel = names.build("model", Component(name=name, options=options), num_classes)
    return model
