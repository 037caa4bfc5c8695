"""How an image becomes the classes that are scored: build(*, options) -> f(forward, images, size) -> winners.

`forward` takes float (B, 3, h, w) to logits (B, K, any, any); `images` is such a batch, `size` the labels' (H, W).  One
uint8 (H, W) comes back per image, in order.  Counting is in `counting`; the table stands here, so that reading it loads
no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    Forward = Callable[[Tensor], Tensor]
    Scoring = Callable[[Forward, Tensor, tuple[int, int]], Iterator[Tensor]]

SCORINGS = {
    "sliding": "bench.evaluate.sliding:sliding",
    "views": "bench.evaluate.views:views",
    "whole": "bench.evaluate.whole:whole",
}
