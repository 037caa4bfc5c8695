"""Statistics equal numpy's or their closed form; an outlier stays in; intervals cover what they promise."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cost.statistics import (
    autocorrelation,
    describe,
    describe_measurement,
    drift,
    lower_rank,
    median_interval,
    std,
    warm_cut,
)
from bench.spec import Measurement

READINGS = st.lists(st.floats(0.001, 1e4), min_size=2, max_size=60)


@given(READINGS)
def test_they_equal_numpys(values: list[float]) -> None:
    found, array = describe(values), np.array(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(array))
    assert found.std == pytest.approx(np.std(array, ddof=1), abs=1e-9)
    assert found.cv == pytest.approx(np.std(array, ddof=1) / np.mean(array), abs=1e-9)
    assert found.median == pytest.approx(np.median(array))
    assert found.mad == pytest.approx(np.median(np.abs(array - np.median(array))), abs=1e-9)
    assert found.iqr == pytest.approx(np.subtract(*np.percentile(array, [75, 25])), abs=1e-9)
    assert found.p5 == pytest.approx(np.percentile(array, 5))
    assert (found.min, found.max) == (min(values), max(values))


def test_the_sample_deviation_is_meant_not_the_population_one() -> None:
    assert std((1.0, 3.0)) == describe((1.0, 3.0)).std == pytest.approx(2**0.5)
    assert std((1.0, 3.0)) != pytest.approx(np.std((1.0, 3.0)))


def test_too_few_readings_give_none() -> None:
    one = describe([2.0])
    assert (one.std, one.cv, one.p90, one.p99, one.ac1, one.drift, one.median_low) == (None,) * 7
    assert describe([1.0] * 63).p90 is None
    assert describe([1.0] * 64).p90 == 1.0
    assert describe([1.0] * 661).p99 is None
    assert describe([float(i) for i in range(1, 665)]).p90 == pytest.approx(597.7)
    assert describe([1.0] * 662).p99 == 1.0


@pytest.mark.parametrize("readings", [[], [-1.0], [math.nan], [math.inf], [1.0, -1e-9]])
def test_what_is_no_time_is_refused(readings: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no readings|negative or no number"):
        describe(readings)


def test_an_outlier_is_counted_and_kept() -> None:
    values = [10.0 + 0.01 * (i % 5) for i in range(100)]
    assert describe(values).far == 0
    late = describe([*values, 30.0])
    assert (late.far, late.max, late.n) == (1, 30.0, 101)
    assert describe([5.0] * 50 + [5.0 + 1e-12] * 49).far == 0  # rounding is not far


def test_readings_of_an_older_record_in_their_unit() -> None:
    found = describe_measurement(Measurement(unit="us", values=(2000.0, 4000.0)))
    assert (found.mean, found.n) == (3.0, 2)
    assert describe_measurement(Measurement(unit="ms", values=())) is None
    assert describe_measurement(Measurement(unit="furlong", values=(1.0,))) is None
    assert describe_measurement(Measurement(unit="ms", values=(-1.0,))) is None


# ------------------------------------------------------------------ interval of the median


@pytest.mark.parametrize("n", [1, 5, 6, 7, 10, 25, 64, 100, 101, 500])
def test_ranks_are_the_exact_binomial_ones(n: int) -> None:
    def below(rank: int) -> float:
        return sum(math.comb(n, k) for k in range(rank)) / 2**n

    rank = lower_rank(n)
    assert below(rank) <= 0.025 < below(rank + 1)


def test_ranks_of_many_readings_follow_the_normal_law() -> None:
    for n in (10_000, 200_000):
        assert lower_rank(n) == pytest.approx(n / 2 - 0.98 * math.sqrt(n), abs=1.5)


def test_six_readings_are_enclosed_by_their_extremes() -> None:
    assert median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == (1.0, 6.0)
    assert median_interval([1.0] * 5) == (None, None)


@pytest.mark.parametrize("shape", ["normal", "skewed", "two clocks"])
@pytest.mark.parametrize("n", [10, 101])
def test_the_interval_covers_the_median_as_often_as_promised(shape: str, n: int) -> None:
    """2000 series with a seed: at least 95 % in truth, the bound allows for three standard errors."""
    random = np.random.default_rng(n)
    draws = {
        "normal": lambda: random.normal(10, 1, n),
        "skewed": lambda: 10 + random.exponential(1, n),
        "two clocks": lambda: np.where(random.random(n) < 0.4, 10.0, 12.0) + random.normal(0, 0.1, n),
    }
    truth = {"normal": 10.0, "skewed": 10 + math.log(2), "two clocks": np.median(np.r_[_two_clocks()])}[shape]
    held = sum(low <= truth <= high for low, high in (median_interval(draws[shape]()) for _ in range(2000)))
    assert held / 2000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 2000)


def _two_clocks() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.where(random.random(400_000) < 0.4, 10.0, 12.0) + random.normal(0, 0.1, 400_000)


def test_an_interval_from_the_spread_of_means_covers_less_on_two_clocks() -> None:
    """The negative control: mean +- 1.96 std / sqrt(n) is no interval of the median."""
    random, truth, held = np.random.default_rng(1), float(np.median(_two_clocks())), 0
    for _ in range(500):
        values = np.where(random.random(101) < 0.4, 10.0, 12.0) + random.normal(0, 0.1, 101)
        held += abs(values.mean() - truth) <= 1.96 * values.std(ddof=1) / math.sqrt(101)
    assert held / 500 < 0.5


# ------------------------------------------------------------------ order in time


def test_the_warm_up_is_cut_where_it_ends() -> None:
    random = np.random.default_rng(0)
    warm = np.r_[np.linspace(30, 10, 40), np.full(160, 10.0)] + random.normal(0, 0.05, 200)
    assert 35 <= warm_cut(warm) <= 50
    assert warm_cut([50.0] * 5 + [10.0 + 0.01 * (i % 3) for i in range(95)]) == 5
    assert warm_cut([50.0] + [10.0 + 0.1 * (i % 3) for i in range(14)]) == 1


@pytest.mark.parametrize("n", [10, 15, 30, 100, 400])
def test_steady_readings_are_rarely_cut(n: int) -> None:
    random = np.random.default_rng(n)
    cuts = [warm_cut(random.normal(10, 0.1, n)) for _ in range(300)]
    assert sum(cut > 0 for cut in cuts) < 45
    assert sum(cut > n / 3 for cut in cuts) < 30


def test_the_rule_as_published_cuts_steady_readings() -> None:
    """The negative control: without a look at its size, two fifths of steady series lose their beginning."""
    random, cuts = np.random.default_rng(0), 0
    for _ in range(300):
        points = np.median(random.normal(10, 0.1, 100).reshape(20, 5), axis=1)
        cuts += int(np.argmin([np.var(points[d:]) / (20 - d) for d in range(11)])) > 0
    assert cuts > 90


def test_one_outlier_is_no_warm_up() -> None:
    steady = [10.0 + 0.01 * (i % 7) for i in range(100)]
    late = list(steady)
    late[12] = 90.0
    assert warm_cut(late) == warm_cut(steady) == 0
    assert warm_cut([10.0] * 9) == 0


def test_at_most_half_is_cut() -> None:
    readings = [float(200 - i) for i in range(200)]
    assert warm_cut(readings) in (0, 100)
    assert warm_cut([30.0 - 0.1 * i for i in range(120)] + [10.0] * 80) == 100


def test_drift_compares_the_halves() -> None:
    assert drift([10.0] * 10 + [11.0] * 10) == pytest.approx(0.1)
    assert drift([10.0] * 9) is None
    assert drift([0.0] * 10) is None


@given(st.lists(st.floats(0.1, 100), min_size=10, max_size=50))
def test_autocorrelation_is_numpys(values: list[float]) -> None:
    array = np.array(values)
    if array.std() < 1e-3:
        return
    apart = array - array.mean()
    expected = np.correlate(apart, apart, "full")[len(array)] / np.correlate(apart, apart, "full")[len(array) - 1]
    assert autocorrelation(values) == pytest.approx(expected, abs=1e-9)


def test_autocorrelation_of_order_and_of_none() -> None:
    assert autocorrelation([1.0] * 20) is None
    assert autocorrelation([0.1 + 1e-17 * i for i in range(20)]) is None
    assert autocorrelation([1.0, 2.0] * 20) == pytest.approx(-0.975)
    assert autocorrelation([float(i) for i in range(100)]) > 0.9


def test_what_reports_use_loads_no_torch_and_no_numpy() -> None:
    code = (
        "import sys, bench.cost.statistics, bench.cost.stopping, bench.cost.plausibility, bench.cost.peaks; "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
