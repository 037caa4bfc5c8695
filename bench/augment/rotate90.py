"""A batch of squares -> the same batch with each sample turned by a multiple of 90 degrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.samples import Moving
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.augment import Transform


def rotate90() -> Transform:
    """Turns each sample by 0, 90, 180 or 270 degrees, equally likely: for images taken from above.

    Gives f(images (N, 3, H, H), labels (N, H, H), generator on the CPU) -> (images, labels), of the same types, exact;
    one draw of the generator per sample.  With `flip` it reaches all eight symmetries of the square.  Raises BenchError
    where images are not square.
    """

    def draw(samples: int, generator: torch.Generator) -> list[int]:
        return torch.randint(4, (samples,), generator=generator).tolist()

    return Moving(draw, _turned)


def _turned(part: Tensor, turns: int) -> Tensor:
    height, width = part.shape[-2:]
    if height != width:
        raise BenchError(
            f"rotate90 needs square crops, not {height} x {width} px",
            remedy=f"set `crop_px: {min(height, width)}`, or use flip",
            key="augment",
        )
    return part.rot90(turns, (-2, -1)) if turns else part
