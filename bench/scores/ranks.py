"""Two rows of numbers -> how alike they are ordered, in [-1, 1]; None where one of them has no order."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b: pairs in the same order minus pairs in the opposite one, ties allowed for (Kendall 1945)."""
    agreed = untied_first = untied_second = 0
    for (x, y), (x2, y2) in itertools.combinations(zip(first, second, strict=True), 2):
        agreed += _order(x, x2) * _order(y, y2)
        untied_first += x != x2
        untied_second += y != y2
    both = untied_first * untied_second
    return agreed / math.sqrt(both) if both else None


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho: the correlation of the ranks, equal numbers sharing the mean of theirs."""
    x, y = _ranks(first), _ranks(second)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} numbers against {len(y)}")
    ordered = len(set(x)) > 1 and len(set(y)) > 1
    return statistics.correlation(x, y) if ordered else None


def _ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank, whole where ties share the mean of theirs, less 1: a correlation sees neither."""
    return [sum(v < value for v in values) + sum(v <= value for v in values) for value in values]


def _order(one: float, other: float) -> int:
    """1, 0 or -1."""
    return (one > other) - (one < other)
