"""A batch -> the same batch with some samples mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.choose import where_chosen
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.augment import Transform


def flip(*, p: float = 0.5) -> Transform:
    """Mirrors each sample left to right with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels), of the same types, exact;
    one draw of the generator per sample.  Raises BenchError where `p` is no probability.
    """
    if not 0.0 <= p <= 1.0:
        raise BenchError(f"p of flip is {p}", remedy="give a probability in [0, 1]", key="augment.p")

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.rand(len(images), generator=generator) < p
        return where_chosen(chosen, images.flip(-1), images), where_chosen(chosen, labels.flip(-1), labels)

    return transform
