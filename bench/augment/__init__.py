"""Joint image and label transforms: build(**options) -> f(images, labels, generator) -> (images, labels)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    Transform = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

AUGMENT = {
    "flip": "bench.augment.flip:flip",
    "rotate90": "bench.augment.rotate90:rotate90",
}
