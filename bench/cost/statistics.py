"""Raw readings -> their statistics.  Nothing is ever left out of them: an outlier is a finding.  No torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.spec import Measurement

_NEEDED = {5: 1, 90: 64, 99: 662}
"""Readings below which a percentile is not worth printing (its order statistic would be the extreme itself)."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """All in the measurement's unit but `n`, `cv` (std / mean); None where there are too few readings."""

    n: int
    mean: float
    std: float | None
    cv: float | None
    median: float
    mad: float
    p5: float
    p90: float | None
    p99: float | None
    min: float
    max: float
    first: float | None


def describe(measurement: Measurement) -> Statistics | None:
    """Statistics over `values`, `first` being the very first call (a warm-up); None where there are no values."""
    values = measurement.values
    if not values:
        return None
    mean, median, spread = statistics.fmean(values), statistics.median(values), std(values)
    return Statistics(
        n=len(values),
        mean=mean,
        std=spread,
        cv=None if spread is None or mean == 0 else spread / mean,
        median=median,
        mad=statistics.median(abs(value - median) for value in values),
        p5=percentile(values, 5),
        p90=percentile(values, 90) if len(values) >= _NEEDED[90] else None,
        p99=percentile(values, 99) if len(values) >= _NEEDED[99] else None,
        min=min(values),
        max=max(values),
        first=measurement.warmups[0] if measurement.warmups else None,
    )


def std(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1); None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the two nearest order statistics, as numpy's default."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
