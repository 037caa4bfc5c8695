"""segmentation-models-pytorch: an architecture and an encoder -> SegModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from bench.models.zoo.foreign import Foreign, Stages, assemble, body_stages, library, not_fetched, on_meta
from bench.spec import BenchError

if TYPE_CHECKING:
    from torch import nn


def smp(variant: str, num_classes: int, *, pretrained: Literal["imagenet"] | None = None) -> Foreign:
    """A network of segmentation-models-pytorch: any of its architectures on any of its encoders.

    `variant` is written `Unet/resnet34`; timm's encoders are `Unet/tu-<name>`.  `pretrained="imagenet"` fetches the
    encoder's weights; raises BenchError when they cannot be had, and for an encoder that the library has not.
    """
    name, (architecture, _, encoder) = f"smp:{variant}", variant.partition("/")
    package = library("segmentation_models_pytorch")
    if not encoder.startswith("tu-") and encoder not in package.encoders.get_encoder_names():
        from bench.names import near

        raise BenchError(
            f"segmentation-models-pytorch has no encoder '{encoder}'",
            remedy=near(encoder, package.encoders.get_encoder_names()),
            key="model",
        )
    weights = None if on_meta() else pretrained

    def build() -> nn.Module:
        made: nn.Module = package.create_model(architecture, encoder, encoder_weights=weights, classes=num_classes)
        return made

    try:
        return SMP(name, assemble(build))
    except Exception as fault:
        if weights is not None:
            not_fetched(name, fault)
        problem = f"{name} cannot be built: {type(fault).__name__}: {fault}"
        raise BenchError(" ".join(problem.split()), remedy="choose another encoder", key="model") from fault


class SMP(Foreign):
    """images (N, 3, H, W) -> {"out": logits (N, K, H, W)}; as the library has it."""

    def __init__(self, name: str, net: nn.Module) -> None:
        super().__init__(name)
        self.net: Any = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        if self.net.requires_divisible_input_shape:
            side = self.net.encoder.output_stride
            height, width = images.shape[-2:]
            if height % side or width % side:
                fits = "x".join(str(-(-length // side) * side) for length in (height, width))
                problem = f"{self.name} takes sides that are multiples of {side}, not {height}x{width}"
                raise BenchError(problem, remedy=f"resize or crop to {fits}", key="model")
        return {"out": self.net(images)}

    def stages(self) -> Stages:
        return [
            *body_stages(self.net.encoder),
            ("decoder", [self.net.decoder]),
            ("head", [self.net.segmentation_head]),
        ]
