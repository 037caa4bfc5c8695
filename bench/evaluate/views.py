"""Each image in one piece, seen several times -> its winners by the mean of the logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import interpolate

from bench.evaluate.winner import winner
from bench.spec import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from bench.evaluate import Forward, Scoring


def views(*, flips: bool = True, scales: tuple[float, ...] = (1.0,)) -> Scoring:
    """Each image in one piece at every scale, mirrored too with `flips`; the mean of all logits decides.

    Logits of every view are brought to label resolution before they are added.  A score found so is not to be compared
    with one of `whole`.  Raises BenchError where a scale is not above 0, or there is none.
    """
    if not scales or min(scales) <= 0:
        raise BenchError(f"{list(scales)} is out of range", remedy="list numbers above 0", key="scoring.scales")

    def score(forward: Forward, images: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
        seen = [view for scale in scales for view in mirrored(forward, scaled(images, scale), flips)]
        return (winner(first, size, others) for first, *others in zip(*seen, strict=True))

    return score


def scaled(images: Tensor, scale: float) -> Tensor:
    """float (B, 3, h, w) -> the same images with sides `scale` times as long, to the nearest pixel."""
    if scale == 1:
        return images
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def mirrored(forward: Forward, images: Tensor, flips: bool) -> Sequence[Tensor]:
    """The logits of `images` and, with `flips`, those of their mirror images, turned back."""
    seen = forward(images)
    return (seen, forward(images.flip(-1)).flip(-1)) if flips else (seen,)
