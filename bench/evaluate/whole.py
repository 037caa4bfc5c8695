"""Each image in one piece -> its winners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.evaluate.winner import winner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from bench.evaluate import Forward, Scoring


def whole() -> Scoring:
    """Each image in one piece, seen once, its logits brought to label resolution."""

    def score(forward: Forward, images: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
        return (winner(logits, size) for logits in forward(images))

    return score
