"""The readings so far -> whether there are enough of them, or what is still missing.  Pure; no clock and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.cost.statistics import drift, median_interval, warm_cut

if TYPE_CHECKING:
    import numpy as np

MAX_WARM_SHARE = 1 / 3
"""A cut behind a third of the readings means that they had not settled: what is left proves nothing."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a series is good enough, and when to give up.

    At least `min_samples` kept readings that last `min_kept_s` seconds together; medians of their halves that differ
    by at most `drift`; a 95 % interval of the median that is at most `half_width` to either side, both relative.  The
    search ends after `cap_s` seconds or `max_samples` readings, warm-up included.
    """

    min_samples: int
    min_kept_s: float
    drift: float
    half_width: float
    cap_s: float
    max_samples: int


GPU_LIMITS = Limits(min_samples=100, min_kept_s=10.0, drift=0.005, half_width=0.01, cap_s=60.0, max_samples=200_000)
CPU_LIMITS = Limits(min_samples=10, min_kept_s=3.0, drift=0.02, half_width=0.03, cap_s=40.0, max_samples=20_000)


@dataclass(frozen=True)
class Stop:
    """`done`: take no more readings.  `warm_cut` leading ones are warm-up.  `reason` says why it has not converged.

    The reason is '' or some of `few samples` (too few, or they last too short), `warm-up` (still settling), `drift`,
    `ci` (median not known well enough), joined by ", ".
    """

    done: bool
    warm_cut: int
    converged: bool
    reason: str


def look(readings_ms: Sequence[float], limits: Limits, *, elapsed_s: float) -> Stop:
    """Judge all readings so far, in the order they were taken; `elapsed_s` is what they cost, pauses included."""
    import numpy as np

    values = np.asarray(readings_ms, dtype=np.float64)
    cut = warm_cut(values)
    missing = _missing(values[cut:], limits)
    if cut > MAX_WARM_SHARE * len(values):
        missing.append("warm-up")
    converged = not missing
    done = converged or elapsed_s >= limits.cap_s or len(values) >= limits.max_samples
    return Stop(done, cut, converged, ", ".join(missing))


def _missing(kept: np.ndarray, limits: Limits) -> list[str]:
    import numpy as np

    change, (low, high) = drift(kept), median_interval(kept)
    unknown = change is None or low is None or high is None  # fewer than ten, whatever the limits ask for
    missing = []
    if unknown or len(kept) < limits.min_samples or kept.sum() < 1e3 * limits.min_kept_s:
        missing.append("few samples")
    if change is not None and abs(change) > limits.drift:
        missing.append("drift")
    if low is not None and high is not None and high - low > 2 * limits.half_width * float(np.median(kept)):
        missing.append("ci")
    return missing
