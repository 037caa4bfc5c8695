"""Curves of a range test: smoothed without a shift, broken off where they leave, a rate where they clearly fall."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.run.suggesting import BROKEN, MEMORY, Watch, falling, smoothed, suggestions

RATES = [1e-7 * 1e8 ** (i / 99) for i in range(100)]


def curve(fall: float = 1e-2, rise: float = 1.0, noise: float = 0.0) -> list[float]:
    """2 at low rates, half of the way to 1 at the rate `fall`, up again from `rise` on."""
    draw = random.Random(0)
    levels = [2 - 1 / (1 + (fall / rate) ** 2) + (rate / rise) ** 2 for rate in RATES]
    return [level + draw.gauss(0, noise) for level in levels]


def test_smoothing_leaves_a_fall_where_it_is() -> None:
    half = next(rate for rate, loss in zip(RATES, smoothed(curve(rise=1e9)), strict=True) if loss < 1.5)
    assert half == pytest.approx(1e-2, rel=0.25)
    level, late = 2.0, None
    for rate, loss in zip(RATES, curve(rise=1e9), strict=True):  # what a running mean makes of it
        level = MEMORY * level + (1 - MEMORY) * loss
        late = late or (rate if level < 1.5 else None)
    assert late is not None
    assert late > 3e-2


def test_smoothing_keeps_a_constant_and_thins_noise() -> None:
    assert smoothed([3.0] * 50) == pytest.approx([3.0] * 50)
    assert smoothed([]) == []
    noisy = curve(noise=0.1)
    rough = sum(abs(b - a) for a, b in itertools.pairwise(noisy[:50]))
    assert sum(abs(b - a) for a, b in itertools.pairwise(smoothed(noisy)[:50])) < rough / 5


def test_what_breaks_away_does_not_draw_the_curve_up_long_before() -> None:
    calm = [*curve(rise=1e9)[:90], 1e6, 1e9]
    assert smoothed(calm)[75] == pytest.approx(curve(rise=1e9)[75], abs=0.05)
    assert max(smoothed(calm)) <= BROKEN * min(calm)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_the_suggestions_lie_in_the_fall(noise: float) -> None:
    found = suggestions(RATES, curve(noise=noise))
    assert list(found) == ["valley", "steepest", "minimum/10"]
    assert 3e-3 < found["valley"] < 4e-2
    assert 2e-3 < found["steepest"] < 5e-2
    assert 3e-3 < found["minimum/10"] < 4e-2


def test_they_move_with_the_fall() -> None:
    early, late = suggestions(RATES, curve(fall=1e-4)), suggestions(RATES, curve(fall=1e-2))
    assert all(early[rule] < late[rule] for rule in early)
    assert late["steepest"] / early["steepest"] == pytest.approx(100, rel=0.3)


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_and_a_rise_alone_suggest_nothing(seed: int) -> None:
    draw = random.Random(seed)
    assert suggestions(RATES, [2 + draw.gauss(0, 0.1) for _ in RATES]) == {}
    assert suggestions(RATES, [2 + i / 50 + draw.gauss(0, 0.1) for i in range(100)]) == {}
    assert suggestions(RATES, [2 - i / 50 + draw.gauss(0, 0.1) for i in range(100)]) != {}


def test_losses_below_zero_are_losses() -> None:
    assert suggestions(RATES, [loss - 5 for loss in curve()])["steepest"] == pytest.approx(
        suggestions(RATES, curve())["steepest"], rel=0.3
    )


@given(st.lists(st.integers(0, 9).map(float), max_size=9))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_the_longest_falling_sequence_is_that_of_all_subsets(values: list[float]) -> None:
    run = falling(values)
    assert run == sorted(set(run))
    assert all(values[b] < values[a] for a, b in itertools.pairwise(run))
    subsets = itertools.chain.from_iterable(itertools.combinations(values, n) for n in range(len(values) + 1))
    assert len(run) == max(len(s) for s in subsets if all(b < a for a, b in itertools.pairwise(s)))


def broke_at(losses: list[float]) -> int | None:
    watch = Watch()
    return next((i for i, loss in enumerate(losses) if watch.broken(loss)), None)


def test_a_loss_that_leaves_is_noticed_and_noise_is_not() -> None:
    assert broke_at(curve(noise=0.1)[:80]) is None
    away = broke_at([1.0] * 30 + [float(2**i) for i in range(20)])
    assert away is not None
    assert 33 <= away <= 37
    assert broke_at([1.0, 1.0, math.nan]) == 2
    assert broke_at([1.0, math.inf]) == 1
    assert broke_at([-1.0] * 30) is None
    assert broke_at([-1.0] * 30 + [3.0] * 30) is not None
    assert broke_at([1.0] * 10 + [3.9] * 1000) is None
    assert broke_at([1.0] * 10 + [4.2] * 1000) is not None
