"""A batch -> the same batch with some samples mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.augment.limits import probability
from bench.augment.samples import Moving

if TYPE_CHECKING:
    from bench.augment import Transform


def flip(*, p: float = 0.5) -> Transform:
    """Mirrors each sample left to right with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels), of the same types, exact;
    one draw of the generator per sample.  Raises BenchError where `p` is no probability.
    """
    probability("flip", p)

    def draw(samples: int, generator: torch.Generator) -> list[int]:
        return (torch.rand(samples, generator=generator) < p).tolist()

    return Moving(draw, lambda part, mirror: part.flip(-1) if mirror else part)
