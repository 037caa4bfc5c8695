"""Nothing -> how two published figures came to be: counted again here, step by step, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from bench.cost.counts import count

CLASSES, SIZE, IMAGES = 7, (512, 512), 6
"""Of LoveDA as it was counted: the first validation batch held six images."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """`printed` is the published figure, `fvcore` the sum of one image whose multiple it is.

    `macs` are the multiply-adds in that sum; `deployed_macs` those of the network as it is used.
    """

    printed: str
    network: str
    what: str
    macs: int
    fvcore: int
    deployed_macs: int

    @property
    def batch(self) -> int:
        """The sum over all images: what was published."""
        return IMAGES * self.fvcore


def origins(build: Callable[..., nn.Module]) -> tuple[Origin, ...]:
    """Both figures; `build(name, classes, **options)` makes a network."""
    deeplab = build("deeplabv2_resnet101", CLASSES, variant="caffe")
    pidnet = build("pidnet_s", CLASSES, aux=True)
    return (
        _origin("1.11T", "deeplabv2_resnet101", "logits resized to the image", _Resized(deeplab), deeplab),
        _origin("37.902G", "pidnet_s", "with the two heads that only training needs", pidnet, pidnet),
    )


def _origin(printed: str, network: str, what: str, counted: nn.Module, model: nn.Module) -> Origin:
    shape = (1, 3, *SIZE)
    found, deployed = count(counted, shape), count(model.deployed(), shape)  # type: ignore[operator]
    return Origin(
        printed=printed,
        network=network,
        what=what,
        macs=found.macs,
        fvcore=found.fvcore.total if found.fvcore else 0,
        deployed_macs=deployed.macs,
    )


class _Resized(nn.Module):
    """Logits brought back to the size of the images, inside what is counted."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return F.interpolate(self.model(images)["out"], size=images.shape[2:], mode="bilinear", align_corners=True)
