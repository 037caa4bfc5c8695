"""Scores so far -> a power of `factor` that grows whenever they stop rising."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.schedulers.limits import between, inside
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.schedulers import Schedule


class Plateau:
    """A shape that is 1 whatever the progress; `after` is what the scores make of it."""

    def __init__(self, factor: float, patience: int, floor: float, min_gain: float) -> None:
        self.factor, self.patience, self.floor, self.min_gain = factor, patience, floor, min_gain

    def __call__(self, progress: float) -> float:
        return 1.0

    def after(self, scores: Sequence[float | None]) -> float:
        """The factor once evaluations gave `scores`, in order, higher being better and None no score at all."""
        value, best, waited = 1.0, -math.inf, 0
        for score in scores:
            if score is not None and score > best + self.min_gain:
                best, waited = score, 0
                continue
            waited += 1
            if waited > self.patience:
                value, waited = max(self.floor, value * self.factor), 0
        return value


def plateau(*, factor: float = 0.1, patience: int = 10, floor: float = 0.0, min_gain: float = 0.0) -> Schedule:
    """Times `factor` when the source's validation mIoU has not risen for more than `patience` evaluations.

    It never falls below `floor`; a rise of at most `min_gain` (of 1) is none.  It needs `evaluate_every` and looks at
    no label of the target.  What it gives follows from the scores so far alone, so a resumed run needs no state.

    Raises BenchError for a factor that is not in (0, 1), a negative patience or gain, a floor outside [0, 1].

    Differs from the paper in: there is none; it lowers the rate at the evaluations at which torch's ReduceLROnPlateau
    (mode "max", absolute threshold, no cooldown) does.
    """
    inside("factor", factor, 0, 1)
    between("floor", floor, 0, 1)
    between("min_gain", min_gain, 0, 1)
    if patience < 0:
        raise BenchError(f"patience is {patience}", remedy="choose 0 or more", key="scheduler.patience")
    return Plateau(factor, patience, floor, min_gain)
