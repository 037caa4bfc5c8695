"""How alike two rows of numbers are ordered: Kendall and Spearman, by hand and against another implementation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.scores.ranks import kendall, spearman


def test_rank_correlations_by_hand() -> None:
    assert kendall([1, 2, 3, 4], [1, 2, 3, 4]) == spearman([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert kendall([1, 2, 3], [3, 2, 1]) == spearman([1, 2, 3], [3, 2, 1]) == -1
    assert kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert kendall([1, 1, 2, 3], [1, 2, 3, 4]) == pytest.approx(5 / math.sqrt(5 * 6))
    assert kendall([1, 2, 3, 4], [1, 1, 2, 3]) == pytest.approx(5 / math.sqrt(5 * 6))
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / math.sqrt(1.5 * 2))
    assert kendall([1, 1], [1, 2]) is spearman([1, 1], [1, 2]) is kendall([], []) is spearman([], []) is None
    for way in (kendall, spearman):
        with pytest.raises(ValueError, match=r"argument 2|against"):
            way([1, 2], [1])


def test_rank_correlations_agree_with_pandas() -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, size=(2, 9)).astype(float)
        ranked = pd.DataFrame({"x": x, "y": y}).rank().corr().iloc[0, 1]
        assert spearman(x.tolist(), y.tolist()) == pytest.approx(ranked)


@pytest.mark.parametrize("way", [kendall, spearman])
@pytest.mark.parametrize("constant", [[3.0, 3.0], [0.0, 0.0, 0.0], [1.0]])
def test_a_row_without_an_order_has_no_correlation(way: Callable[..., float | None], constant: list[float]) -> None:
    ordered = [float(n) for n in range(len(constant))]
    assert way(constant, ordered) is way(ordered, constant) is way(constant, constant) is None


@pytest.mark.parametrize("way", [kendall, spearman])
def test_two_numbers_have_an_order(way: Callable[..., float | None]) -> None:
    assert way([1, 2], [5, 9]) == 1
    assert way([1, 2], [9, 5]) == -1
    assert way([1, 1, 2], [5, 5, 9]) == pytest.approx(1)


def test_numbers_beyond_all_bounds_are_ordered() -> None:
    assert kendall([-math.inf, 0.0, math.inf, math.inf], [1, 2, 3, 3]) == 1
