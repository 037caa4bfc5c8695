"""torchvision's segmentation networks: a name -> SegModel."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

from bench.models.weights import fetch_imagenet, load_matching
from bench.models.zoo.foreign import Foreign, Stages, assemble, body_stages, library, on_meta


def tv(variant: str, num_classes: int, *, aux: bool = True, pretrained: Literal["imagenet"] | None = None) -> Foreign:
    """A segmentation network of torchvision, such as deeplabv3_resnet50; `aux` adds its auxiliary head, if it has one.

    `pretrained="imagenet"` loads the backbone's weights; raises BenchError when they cannot be fetched.
    """
    get_model = library("torchvision.models").get_model
    lite = variant.startswith("lraspp")
    heads = {} if lite else {"aux_loss": aux}
    made = assemble(lambda: get_model(variant, weights=None, weights_backbone=None, num_classes=num_classes, **heads))
    if pretrained is not None and not on_meta():
        body = variant.partition("_")[2]
        tensors = {key.removeprefix("features."): value for key, value in fetch_imagenet(body).items()}
        load_matching(made.backbone, tensors, origin=f"torchvision {body}")
    return LiteTorchvision(f"tv:{variant}", made) if lite else Torchvision(f"tv:{variant}", made)


class Torchvision(Foreign):
    """images (N, 3, H, W) -> {"out": logits (N, K, H, W)} and "aux" with the auxiliary head; as the library has it."""

    auxiliary = ("aux_classifier",)

    def __init__(self, name: str, net: Any) -> None:
        super().__init__(name)
        self.backbone, self.classifier, self.aux_classifier = net.backbone, net.classifier, net.aux_classifier

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        size, maps = images.shape[-2:], self.backbone(images)
        logits = {"out": self.classifier(maps["out"])}
        if self.aux_classifier is not None:
            logits["aux"] = self.aux_classifier(maps["aux"])
        return {
            key: F.interpolate(value, size=size, mode="bilinear", align_corners=False) for key, value in logits.items()
        }

    def stages(self) -> Stages:
        heads = [self.classifier] if self.aux_classifier is None else [self.classifier, self.aux_classifier]
        return [*body_stages(self.backbone), ("head", heads)]


class LiteTorchvision(Foreign):
    """The one whose head reads two maps: images (N, 3, H, W) -> {"out": logits (N, K, H, W)}."""

    def __init__(self, name: str, net: Any) -> None:
        super().__init__(name)
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.net(images)["out"]}

    def stages(self) -> Stages:
        return [*body_stages(self.net.backbone), ("head", [self.net.classifier])]
