"""Raw readings -> their statistics.  Nothing is ever left out of them: an outlier is a finding.  No torch.

numpy is loaded by the first call, not with the module.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.spec import Measurement
from bench.spec.timing import Series

if TYPE_CHECKING:
    import numpy as np

NEEDED = {"p90": 64, "p99": 662, "halves": 10}
"""Readings below which a figure is not worth printing: percentiles would be an extreme, halves chance."""

FAR = 14.826
"""Times the median absolute deviation: ten standard deviations of a normal spread."""

MILLISECONDS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
BLOCK = 5
"""Readings whose median is one point of the search for the warm-up's end."""
BELIEVED = 3.0
"""Robust standard deviations of what is kept that separate a warm-up from chance."""


def describe(readings_ms: Sequence[float] | np.ndarray) -> Series:
    """Statistics over all of `readings_ms`, the kept readings of one time in ms.

    Raises ValueError for none, for a negative one and for one that is no number.
    """
    import numpy as np

    values = np.asarray(readings_ms, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError("no readings: statistics need at least one")
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("a reading is negative or no number: a time is neither")
    n, mean, middle = int(values.size), float(values.mean()), float(np.median(values))
    spread = float(values.std(ddof=1)) if n > 1 else None
    apart = np.abs(values - middle)
    mad = float(np.median(apart))
    low, high = median_interval(values)
    p5, q1, q3, p90, p99 = (float(q) for q in np.percentile(values, (5, 25, 75, 90, 99)))
    return Series(
        n=n,
        mean=mean,
        std=spread,
        cv=None if spread is None or mean == 0 else spread / mean,
        median=middle,
        median_low=low,
        median_high=high,
        mad=mad,
        iqr=q3 - q1,
        p5=p5,
        p90=p90 if n >= NEEDED["p90"] else None,
        p99=p99 if n >= NEEDED["p99"] else None,
        min=float(values.min()),
        max=float(values.max()),
        ac1=autocorrelation(values),
        drift=drift(values),
        # Rounding must not make equal readings far from one another where most of them are equal.
        far=int((apart > max(FAR * mad, 1e-6 * middle)).sum()),
    )


def describe_measurement(measurement: Measurement) -> Series | None:
    """`describe` of an older record's readings, in ms; None where it holds none, or none that are times."""
    factor = MILLISECONDS.get(measurement.unit)
    if factor is None or not measurement.values:
        return None
    try:
        return describe([factor * value for value in measurement.values])
    except ValueError:
        return None


# ------------------------------------------------------------------ parts


def median_interval(readings: Sequence[float] | np.ndarray) -> tuple[float | None, float | None]:
    """The two order statistics that enclose the median with at least 95 %, whatever the spread looks like.

    (None, None) for fewer than 6 readings, where not even the extremes enclose it that surely.  Readings are taken as
    independent, which those of one process are not quite: a rule for stopping, no published uncertainty.
    """
    import numpy as np

    rank = lower_rank(len(readings))
    if rank == 0:
        return None, None
    last = len(readings) - rank
    ordered = np.partition(np.asarray(readings, dtype=np.float64), (rank - 1, last))
    return float(ordered[rank - 1]), float(ordered[last])


@functools.cache
def lower_rank(n: int) -> int:
    """The largest r with P(Binomial(n, 1/2) < r) <= 2.5 %: readings r and n + 1 - r enclose the median; 0 for none."""
    chance, rank = 0.0, max(0, n // 2 - 6 * math.isqrt(n) - 6)
    while True:  # what lies below the first rank looked at is under 1e-30
        log = math.lgamma(n + 1) - math.lgamma(rank + 1) - math.lgamma(n - rank + 1) - n * math.log(2)
        chance += math.exp(log)
        if chance > 0.025 or rank > n:
            return rank
        rank += 1


def warm_cut(readings: Sequence[float] | np.ndarray) -> int:
    """How many leading readings belong to the warm-up: MSER-5 (White 1997; Franklin and White 2008), made careful.

    The cut d over medians of blocks of five that makes the sum of squares of what is kept, divided by its number
    squared, smallest; at most half of the readings.  Differs from the source in: medians, not means (one late reading
    is an outlier to report and no warm-up); below 100 readings a block is one reading (ten readings make two blocks,
    and one block alone has no spread: MSER-5 would always cut half); and a cut is believed only where the first block
    lies beyond the spread of what is kept, so that steady readings are rarely cut (1 in 30 at 100, not 2 in 5).
    """
    import numpy as np

    values = np.asarray(readings, dtype=np.float64)
    block = BLOCK if len(values) >= 20 * BLOCK else 1
    blocks = len(values) // block
    if len(values) < NEEDED["halves"]:
        return 0
    points = np.median(values[: blocks * block].reshape(blocks, block), axis=1)
    apart = points - points[-1]  # sums of squares of small numbers: nothing cancels
    kept = np.arange(blocks, 0, -1)
    total, squares = apart[::-1].cumsum()[::-1], (apart**2)[::-1].cumsum()[::-1]
    score = (squares - total**2 / kept) / kept**2
    cut = int(np.argmin(score[: blocks // 2 + 1]))
    if cut == 0:
        return 0
    level = np.median(points[cut:])
    spread = 1.4826 * np.median(np.abs(points[cut:] - level))
    return block * cut if abs(points[0] - level) > BELIEVED * spread else 0


def drift(readings: Sequence[float] | np.ndarray) -> float | None:
    """Median of the second half over that of the first, minus 1; None for fewer than 10 readings or a first of 0."""
    import numpy as np

    half = len(readings) // 2
    if len(readings) < NEEDED["halves"]:
        return None
    first, second = float(np.median(readings[:half])), float(np.median(readings[-half:]))
    return second / first - 1 if first > 0 else None


def autocorrelation(readings: Sequence[float] | np.ndarray) -> float | None:
    """Lag-1 autocorrelation; None for fewer than 10 readings or equal ones."""
    import numpy as np

    values = np.asarray(readings, dtype=np.float64)
    if len(values) < NEEDED["halves"]:
        return None
    apart = values - values.mean()
    total = float(apart @ apart)
    # Equal readings leave rounding behind, which has no order worth telling.
    return float(apart[1:] @ apart[:-1]) / total if total > 1e-18 * float(values @ values) else None


def std(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1); None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None
