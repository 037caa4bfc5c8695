"""The target's images of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.spec import BenchError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.batches import Batch


def target_of(batch: Batch, *, sized: bool = False) -> Tensor:
    """float (N, 3, h, w) normalised; a run gives them to every method that says it needs them.

    With `sized` they must be as large as the source's: raises BenchError where they are not.
    """
    target = batch.target_images
    if target is None:
        raise ValueError("this method needs target images, and the batch has none")
    (height, width), (h, w) = batch.images.shape[-2:], target.shape[-2:]
    if sized and (height, width) != (h, w):
        problem = f"the source's images are {width}x{height}, the target's {w}x{h}, and this method lays them together"
        raise BenchError(problem, remedy="set `crop_px` or `resize_px`", key="crop_px")
    return target
