"""Losses at ever higher learning rates -> a smooth curve, where it broke off, and rates to begin with."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

BROKEN = 4.0
"""A running mean of the loss that is this many times its best has left the network's reach."""

MEMORY = 0.9
"""Share of the running mean that stays when a loss comes in."""

WIDTH = 0.03
"""Standard deviation of the bell that smooths the curve, as a share of its points; it looks to both sides, so unlike a
running mean it does not shift the curve towards higher rates."""

CLEAR = 2.0
"""A fall that is less than this many times the noise of a single loss may be none."""


BEGUN = 0.1
"""Share of a fall that is made where the fall is said to begin."""


class Watch:
    """Told one loss after the other, says when they have broken away."""

    def __init__(self) -> None:
        self.total = self.weight = 0.0
        self.best = math.inf

    def broken(self, loss: float) -> bool:
        """Whether `loss` is not finite, or the running mean with it is more than BROKEN times its best."""
        if not math.isfinite(loss):
            return True
        self.total = MEMORY * self.total + (1 - MEMORY) * loss
        self.weight = MEMORY * self.weight + (1 - MEMORY)
        mean = self.total / self.weight
        self.best = min(self.best, mean)
        return mean > ceiling(self.best)


def ceiling(best: float) -> float:
    """Where a loss has broken away; a loss may be negative, too."""
    return best + (BROKEN - 1) * abs(best)


def smoothed(losses: Sequence[float]) -> list[float]:
    """`losses` under a bell, as many points; what broke away counts as no more than `ceiling`, or it would draw the
    curve up long before."""
    if not losses:
        return []
    top, sigma = ceiling(min(losses)), max(1.0, WIDTH * len(losses))
    held, reach = [min(loss, top) for loss in losses], math.ceil(3 * sigma)
    found = []
    for middle in range(len(held)):
        near = range(max(0, middle - reach), min(len(held), middle + reach + 1))
        weights = [math.exp(-(((i - middle) / sigma) ** 2) / 2) for i in near]
        found.append(sum(w * held[i] for w, i in zip(weights, near, strict=True)) / sum(weights))
    return found


def suggestions(rates: Sequence[float], losses: Sequence[float]) -> dict[str, float]:
    """Rates to begin with, by rule, the one to take first; nothing where the losses do not clearly fall.

    `valley`: the middle of the longest fall of the smooth curve, its longest sequence of ever lower points, from where
    a tenth of that fall is made; `steepest`: where the smooth curve falls most for a factor in the rate; `minimum/10`:
    a tenth of where it is lowest.

    Source: the test itself is that of L. N. Smith 2017, arXiv 1506.01186, section 3.3; the rules are after those of
    fastai's `lr_find`.  Differs from these in: the curve is smoothed to both sides; the middle is that of the fall on
    the logarithmic axis, without the flat part before it, where any drift counts as falling; there may be no
    suggestion.
    """
    curve = smoothed(losses)
    if len(curve) < 3:
        return {}
    run = falling(curve)
    noise = math.sqrt(sum((min(a, ceiling(min(losses))) - b) ** 2 for a, b in zip(losses, curve, strict=True)))
    fall = curve[run[0]] - curve[run[-1]]
    if fall <= CLEAR * noise / math.sqrt(len(curve)):
        return {}
    begun = next(i for i in run if curve[run[0]] - curve[i] >= BEGUN * fall)
    lowest = curve.index(min(curve))
    falls = [
        (a - b) / math.log(high / low) for (a, b), (low, high) in zip(pairwise(curve), pairwise(rates), strict=True)
    ]
    steepest = max(range(len(falls)), key=falls.__getitem__)
    return {
        "valley": math.sqrt(rates[begun] * rates[run[-1]]),
        "steepest": math.sqrt(rates[steepest] * rates[steepest + 1]),
        "minimum/10": rates[lowest] / 10,
    }


def falling(curve: Sequence[float]) -> list[int]:
    """The indices of the longest sequence of ever lower values in `curve`, in order; some one of several."""
    ends: list[int] = []  # ends[n]: the highest last value of all sequences of length n + 1 found so far
    before: list[int | None] = []
    for i, value in enumerate(curve):
        place = bisect_left([-curve[end] for end in ends], -value)
        before.append(ends[place - 1] if place else None)
        ends[place : place + 1] = [i]
    run: list[int] = []
    at = ends[-1] if ends else None
    while at is not None:
        run.append(at)
        at = before[at]
    return run[::-1]
