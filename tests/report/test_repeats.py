"""Several processes -> one figure: exact pooling, intervals that cover what they promise, verdicts, orders."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report.repeats import Part, Ratio, geometric_mean, interval, kendall, pool, ratio, t_975

TIMES = st.floats(1e-3, 1e5)


def part(values: list[float]) -> Part:
    std = statistics.stdev(values) if len(values) > 1 else None
    return Part(len(values), statistics.fmean(values), std, statistics.median(values))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(TIMES, min_size=1, max_size=20), min_size=1, max_size=5))
def test_pooled_statistics_are_those_of_all_readings(processes):
    found, every = pool(map(part, processes)), [v for values in processes for v in values]
    assert found.n == len(every)
    assert found.mean == pytest.approx(np.mean(every), rel=1e-12)
    if len(every) > 1:
        assert found.std == pytest.approx(np.std(every, ddof=1), rel=1e-6, abs=1e-9 * max(every))
    else:
        assert found.std is None
    assert found.median == statistics.median(statistics.median(values) for values in processes)


def test_the_mean_of_stds_is_not_the_pooled_std():
    """Negative control: averaging stds, as is often done, misses what lies between processes."""
    parts = [part([1.0, 1.1]), part([2.0, 2.1])]
    assert pool(parts).std > 5 * statistics.fmean(p.std or 0 for p in parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(TIMES, min_size=1, max_size=4), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_processes_changes_no_bit(processes, random):
    parts = [part(values) for values in processes]
    shuffled = random.sample(parts, len(parts))
    assert pool(shuffled) == pool(parts)
    times, other = [p.median for p in parts], [p.median for p in shuffled]
    assert ratio(times, [1.0, 2.0, 3.0]) == ratio(other, [3.0, 1.0, 2.0])


def test_no_process_cannot_be_pooled():
    with pytest.raises(ValueError, match="no process"):
        pool([])


@pytest.mark.parametrize("degrees", [1, 2, 5, 17, 30, 31, 60, 200])
def test_student_t_against_its_density(degrees):
    """97.5 % of the density, integrated numerically, lies below the tabled value."""
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    step = t_975(degrees) / 20_000
    middles = (np.arange(20_000) + 0.5) * step
    below = 0.5 + step * np.sum(scale * (1 + middles**2 / degrees) ** (-(degrees + 1) / 2))
    assert below == pytest.approx(0.975, abs=2e-5)


def test_a_fraction_of_a_degree_widens():
    assert t_975(2.9) == t_975(2) > t_975(3)
    assert t_975(0.5) == t_975(1)


# ------------------------------------------------------------------ intervals


def coverage(make, truth: float, repeats: int, draws: int = 1500) -> float:
    rng, hits = np.random.default_rng(repeats), 0
    for _ in range(draws):
        low, high = make(rng, repeats)
        hits += low <= truth <= high
    return hits / draws


def of_one_device(rng, repeats):
    return interval(np.exp(rng.normal(math.log(10), 0.02, repeats)).tolist())


def of_two_devices(rng, repeats):
    own, other = (np.exp(rng.normal(math.log(m), s, repeats)).tolist() for m, s in ((20, 0.03), (10, 0.01)))
    found = ratio(own, other)
    return found.low, found.high


def by_bootstrap(rng, repeats):
    values = np.exp(rng.normal(math.log(10), 0.02, repeats))
    return np.percentile(np.median(values[rng.integers(0, repeats, (200, repeats))], axis=1), [2.5, 97.5])


@pytest.mark.parametrize("repeats", [3, 5, 10])
def test_intervals_hold_the_truth_as_often_as_they_say(repeats):
    assert coverage(of_one_device, 10.0, repeats) >= 0.93
    assert coverage(of_two_devices, 2.0, repeats) >= 0.93


def test_the_bootstrap_of_three_processes_does_not():
    """Negative control, and the reason why it is not used."""
    assert coverage(by_bootstrap, 10.0, 3, 400) < 0.85


def test_below_three_processes_there_is_no_interval():
    assert interval([1.0, 2.0]) == (None, None)
    for own, other in (([1.0], [1.0, 1.0, 1.0]), ([1.0, 1.0, 1.0], [1.0, 2.0])):
        found = ratio(own, other)
        assert (found.low, found.high, found.verdict) == (None, None, "AMBIGUOUS")


@settings(max_examples=60, deadline=None)
@given(st.lists(TIMES, min_size=3, max_size=6), st.lists(TIMES, min_size=3, max_size=6))
def test_an_interval_holds_its_own_value_and_turns_round_with_the_devices(own, other):
    low, high = interval(own)
    assert low <= statistics.median(own) * (1 + 1e-9)
    assert statistics.median(own) <= high * (1 + 1e-9)
    there, back = ratio(own, other), ratio(other, own)
    assert there.low <= there.value <= there.high
    for mine, its in ((there.value, back.value), (there.low, back.high), (there.high, back.low)):
        assert mine * its == pytest.approx(1, rel=1e-6)


# ------------------------------------------------------------------ verdicts


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Ratio(0.8, 0.7, 0.9), "FASTER"),
        (Ratio(1.2, 1.1, 1.3), "SLOWER"),
        (Ratio(1.01, 1.005, 1.015), "SLOWER"),
        (Ratio(1.01, 0.99, 1.03), "SAME"),
        (Ratio(1.0, 1.0, 1.0), "SAME"),
        (Ratio(1.03, 0.99, 1.07), "AMBIGUOUS"),
        (Ratio(1.01, 0.5, 2.0), "AMBIGUOUS"),
        (Ratio(1.0, None, None), "AMBIGUOUS"),
        (Ratio(0.1, None, None), "AMBIGUOUS"),
    ],
)
def test_verdicts(found, verdict):
    assert found.verdict == verdict


def test_the_same_device_measured_twice_is_hardly_ever_slower():
    rng, slower = np.random.default_rng(0), 0
    for _ in range(500):
        own, other = (np.exp(rng.normal(0, 0.01, 3)).tolist() for _ in range(2))
        slower += ratio(own, other).verdict == "SLOWER"
    assert slower <= 20


# ------------------------------------------------------------------ models


def test_the_geometric_mean_of_ratios_is_not_their_mean():
    found = geometric_mean([0.5, 2.0])
    assert (found.value, found.low) == (1.0, None)
    assert statistics.fmean([0.5, 2.0]) > 1.2  # the control: by it each device would be slower than the other
    wide = geometric_mean([0.5, 1.0, 2.0])
    assert wide.low < 1 < wide.high


def test_kendall_counts_pairs():
    assert kendall([1, 2, 3], [10, 20, 30]) == (1.0, [])
    assert kendall([1, 2, 3], [3, 2, 1])[0] == -1.0
    tau, swapped = kendall([1, 2, 3], [2, 1, 3])
    assert tau == pytest.approx(1 / 3)
    assert swapped == [(0, 1)]
    assert kendall([1, 1], [1, 2]) == (0.0, [])
    assert kendall([1.0], [2.0]) == (None, [])
