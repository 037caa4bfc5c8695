"""Several losses -> their weighted sum."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from bench import names
from bench.losses.outputs import wide
from bench.names.combined import split_factor
from bench.spec import Component

if TYPE_CHECKING:
    from bench.losses import Loss


class Sum:
    """f(outputs, labels): the sum of `losses`, (loss, factor) each."""

    def __init__(self, losses: list[tuple[Loss, float]]) -> None:
        self.losses = losses

    def __call__(self, outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        outputs = {name: wide(logits) for name, logits in outputs.items()}  # so that gradients are added up in float32
        values = [
            one(outputs, labels) if factor == 1.0 else factor * one(outputs, labels) for one, factor in self.losses
        ]
        total: Tensor = functools.reduce(operator.add, values)
        return total

    def fit(self, counts: Tensor) -> None:
        """Pass on to each part that asks for it what the labelled images hold: `counts` int64 (N, K)."""
        for one, _ in self.losses:
            if hasattr(one, "fit"):
                one.fit(counts)


def combined(*, parts: list[Any]) -> Loss:
    """A weighted sum of losses, written as a list: `loss: [cross_entropy, {name: ohem, weight: 0.5}]`.

    Gives f(outputs, labels) -> scalar, as each part does.  Raises BenchError for a part that does not.
    """
    split = [split_factor("loss", Component.model_validate(part)) for part in parts]
    return Sum([(names.build("loss", part), 1.0 if factor is None else factor) for part, factor in split])
