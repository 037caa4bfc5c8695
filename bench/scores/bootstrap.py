"""Confusion counts per image -> how far a score depends on the images that happen to be in the split.

Counts of an image, or of a group of images such as a drive, are drawn whole.  numpy is loaded on first use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.scores.counts import miou

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench.scores.counts import Confusion

CHUNK = 2**21
"""Numbers per array of a bootstrap (16 MB), however many images, classes and samples."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A percentile bootstrap interval over `n` images or groups; None where fewer than two leave it undefined.

    `samples` counts the resamples in which the statistic existed.
    """

    low: float | None
    high: float | None
    level: float
    n: int
    samples: int


def bootstrap_interval(
    per_image: Sequence[Confusion] | NDArray[np.integer[Any]],
    statistic: Callable[[Confusion], float | None] = miou,
    samples: int = 1000,
    *,
    seed: int = 0,
    level: float = 0.95,
    groups: Sequence[Hashable] | None = None,
) -> Interval:
    """How far a dataset-level score depends on the images that happen to be in the split.

    `per_image` (N, K, K) counts; N images are drawn with replacement, their counts summed, and `statistic` taken of the
    sum, `samples` times.  With `groups` (N ids, such as the video sequence) whole groups are drawn: frames of one drive
    are no independent evidence.  A class that a resample misses leaves its mean, as in `miou`.  Percentile method
    (Efron and Tibshirani 1993, section 13.3).  Raises ValueError when shapes or the level make no sense.
    """
    import numpy as np

    counts = checked(np.asarray(per_image))
    if not 0 < level < 1 or samples < 1:
        raise ValueError(f"level {level} must lie between 0 and 1, and samples {samples} be at least 1")
    if groups is not None:
        counts = by_group(counts, groups)
    n = len(counts)
    values = _resampled(counts, statistic, samples, seed) if n >= 2 else ()
    if not len(values):
        return Interval(low=None, high=None, level=level, n=n, samples=0)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low=low, high=high, level=level, n=n, samples=len(values))


def _resampled(
    counts: NDArray[Any], statistic: Callable[[Confusion], float | None], samples: int, seed: int
) -> Sequence[float] | NDArray[np.float64]:
    """The statistic of each resample of (N, K, K) counts in which it exists."""
    import numpy as np

    n, classes = counts.shape[:2]
    if statistic is miou:
        hits = counts.diagonal(axis1=1, axis2=2)
        unions = counts.sum(1) + counts.sum(2) - hits
        flat = np.concatenate([hits, unions], axis=1).astype(np.float64)
        return np.concatenate([mious(sums) for sums in resampled_sums(flat, samples, seed)])
    sums = resampled_sums(counts.reshape(n, -1).astype(np.float64), samples, seed)
    drawn = (statistic(total.reshape(classes, classes)) for chunk in sums for total in chunk.astype(np.int64))
    return [value for value in drawn if value is not None]


def checked(counts: NDArray[Any]) -> NDArray[Any]:
    """The same (N, K, K) counts; raises ValueError where they are none."""
    import numpy as np

    if counts.ndim != 3 or counts.shape[1] != counts.shape[2]:
        raise ValueError(f"per_image must be counts (N, K, K), not {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise ValueError(f"per_image must be whole numbers >= 0, not {counts.dtype}")
    return counts


def mious(sums: NDArray[Any]) -> NDArray[np.float64]:
    """(S, 2K) hits and unions per class -> `miou` of each row that has one, to the last bit."""
    import numpy as np

    hits, unions = np.split(sums.T, 2)
    present = (unions > 0).sum(0)
    ious = np.divide(hits, unions, out=np.zeros(hits.shape), where=unions > 0)
    total, lost = np.zeros(len(sums)), np.zeros(len(sums))
    for one in ious:  # Knuth's two-sum keeps what each addition rounds off, as fsum does
        before, total = total, total + one
        added = total - before
        lost += (before - (total - added)) + (one - added)
    found: NDArray[np.float64] = (total + lost)[present > 0] / present[present > 0]
    return found


def by_group(counts: NDArray[Any], groups: Sequence[Hashable]) -> NDArray[Any]:
    """(N, K, K) -> (G, K, K), one sum per distinct group in order of first appearance."""
    import numpy as np

    if len(groups) != len(counts):
        raise ValueError(f"{len(groups)} groups for {len(counts)} images")
    place = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    summed = np.zeros((len(place), *counts.shape[1:]), dtype=np.int64)
    np.add.at(summed, [place[group] for group in groups], counts)
    return summed


def resampled_sums(flat: NDArray[Any], samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """(N, C) counts -> chunks (S, C) of whole sums over N rows drawn with replacement.

    How often each row was drawn, times the counts: one float64 matrix product, exact as sums are far below 2**53.
    """
    n = len(flat)
    chunk = max(1, CHUNK // max(flat.shape))
    drawn = _drawn_once(n, samples, seed) if chunk >= samples else _drawn(n, samples, seed, chunk)
    for weights in drawn:
        yield weights @ flat


@functools.lru_cache(maxsize=2)
def _drawn_once(n: int, samples: int, seed: int) -> list[NDArray[np.float64]]:
    """Kept, because a report asks thousands of times for splits of one size."""
    return list(_drawn(n, samples, seed, samples))


def _drawn(n: int, samples: int, seed: int, chunk: int) -> Iterator[NDArray[np.float64]]:
    """Chunks (S, N): how often each of N rows is drawn in each resample."""
    import numpy as np

    rng = np.random.default_rng(seed)
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
