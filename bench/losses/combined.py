"""Several losses -> their weighted sum."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from bench import names
from bench.names.combined import split_factor
from bench.spec import Component

if TYPE_CHECKING:
    from bench.losses import Loss


def combined(*, parts: list[Any]) -> Loss:
    """A weighted sum of losses, written as a list: `loss: [cross_entropy, {name: ohem, weight: 0.5}]`.

    Gives f(outputs, labels) -> scalar, as each part does.  Raises BenchError for a part that does not.
    """
    split = [split_factor("loss", Component.model_validate(part)) for part in parts]
    losses = [(names.build("loss", part), 1.0 if factor is None else factor) for part, factor in split]

    def loss(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        values = [one(outputs, labels) if factor == 1.0 else factor * one(outputs, labels) for one, factor in losses]
        total: Tensor = functools.reduce(operator.add, values)
        return total

    return loss
