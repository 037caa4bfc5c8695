"""The target's images of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from bench.batches import Batch


def target_of(batch: Batch) -> Tensor:
    """float (N, 3, h, w) normalised; a run gives them to every method that says it needs them."""
    if batch.target_images is None:
        raise ValueError("this method needs target images, and the batch has none")
    return batch.target_images
