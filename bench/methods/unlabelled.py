"""The target's images for whoever goes through all of them: statistics, pseudo-labels, scores that need no label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.batches import normalise

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Unlabelled:
    """Images of one domain, in the dataset's order; there is no way from here to their labels.

    `images` uint8 (N, 3, h, w), in host memory or on a device; `names` one for each.
    """

    images: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, batch_size: int, device: torch.device) -> Iterator[Tensor]:
        """float (B, 3, h, w) normalised on `device`, every image once, in order; B <= `batch_size`.

        As equal as can be: a last batch of one image could not be normalised by its own statistics.
        """
        for images in self.images.tensor_split(-(-len(self.images) // batch_size)):
            yield normalise(images.to(device, non_blocking=True))
