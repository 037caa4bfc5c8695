"""Two rows of numbers -> how alike they are ordered, in [-1, 1]; None where one of them has no order."""

from __future__ import annotations

import math
from collections.abc import Sequence


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b: pairs in the same order minus pairs in the opposite one, ties allowed for (Kendall 1945)."""
    agreed = ties_first = ties_second = 0
    pairs = len(first) * (len(first) - 1) // 2
    for i, (x, y) in enumerate(zip(first, second, strict=True)):
        for x2, y2 in zip(first[:i], second[:i], strict=True):
            agreed += _sign(x - x2) * _sign(y - y2)
            ties_first += x == x2
            ties_second += y == y2
    both = (pairs - ties_first) * (pairs - ties_second)
    return agreed / math.sqrt(both) if both else None


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho: the correlation of the ranks, equal numbers sharing the mean of theirs."""
    x, y = _ranks(first), _ranks(second)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} numbers against {len(y)}")
    middle = (len(x) + 1) / 2
    both = sum((a - middle) ** 2 for a in x) * sum((b - middle) ** 2 for b in y)
    return sum((a - middle) * (b - middle) for a, b in zip(x, y, strict=True)) / math.sqrt(both) if both else None


def _ranks(values: Sequence[float]) -> list[float]:
    """1 for the smallest; ties share the mean of the ranks they take up."""
    return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
