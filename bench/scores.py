"""Confusion counts (row = label, column = prediction) -> IoU, accuracy, Dice, gap recovered, intervals, in [0, 1].

One definition, the benchmarks' own: counts are summed over the whole split first, void pixels are in no count, and the
mean is over classes that occur as a label or as a prediction.  The mean of per-image or per-batch scores is another
number (often by five points and more) and is not offered.  No torch here; numpy only inside `bootstrap_interval`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Confusion = Sequence[Sequence[int]] | NDArray[np.integer[Any]]
    """K x K integer counts, row = label, column = prediction, of one image or summed over a split."""


CHUNK = 2**21
"""Numbers per array of a bootstrap (16 MB), however many images, classes and samples."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Every score of one confusion matrix; None where nothing was there to score.

    `miou` and `mean_dice` average over `present` classes (labelled or predicted), `mean_accuracy` over `labelled` ones.
    """

    miou: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    mean_dice: float | None
    iou: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    dice: tuple[float | None, ...]
    absent: tuple[int, ...]
    present: int
    labelled: int
    pixels: int


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


def summary(confusion: Confusion) -> Scores:
    """All scores of one confusion matrix."""
    margins = _margins(confusion)
    hits, rows, _ = margins
    ious, recalls, dices = _ious(*margins), _recalls(*margins), _dices(*margins)
    missing = tuple(k for k, value in enumerate(ious) if value is None)
    return Scores(
        miou=_mean(ious),
        pixel_accuracy=_share(sum(hits), sum(rows)),
        mean_accuracy=_mean(recalls),
        mean_dice=_mean(dices),
        iou=tuple(ious),
        recall=tuple(recalls),
        dice=tuple(dices),
        absent=missing,
        present=len(hits) - len(missing),
        labelled=sum(row > 0 for row in rows),
        pixels=sum(rows),
    )


def iou(confusion: Confusion) -> list[float | None]:
    """Per class TP / (TP + FP + FN); None for a class neither labelled nor predicted, 0 when only predicted."""
    return _ious(*_margins(confusion))


def miou(confusion: Confusion) -> float | None:
    """Mean IoU over the classes present; None when none is."""
    return _mean(iou(confusion))


def absent(confusion: Confusion) -> tuple[int, ...]:
    """The classes neither labelled nor predicted: the ones that no mean includes."""
    return tuple(k for k, value in enumerate(iou(confusion)) if value is None)


def dice(confusion: Confusion) -> list[float | None]:
    """Per class 2 TP / (2 TP + FP + FN), the F1 score; None for a class neither labelled nor predicted."""
    return _dices(*_margins(confusion))


def mean_dice(confusion: Confusion) -> float | None:
    """Mean Dice over the classes present; None when none is."""
    return _mean(dice(confusion))


def recall(confusion: Confusion) -> list[float | None]:
    """Per class TP / (TP + FN); None for a class that is never labelled."""
    return _recalls(*_margins(confusion))


def mean_accuracy(confusion: Confusion) -> float | None:
    """Mean recall over the labelled classes; None when none is."""
    return _mean(recall(confusion))


def pixel_accuracy(confusion: Confusion) -> float | None:
    """Share of the pixels that are right; None without a pixel.  Says little where a few classes cover the ground."""
    hits, rows, _ = _margins(confusion)
    return _share(sum(hits), sum(rows))


def gap_recovered(score: float | None, source_only: float | None, oracle: float | None) -> float | None:
    """(score - source_only) / (oracle - source_only): 0 = no better than no adaptation, 1 = as with target labels.

    Below 0 when adaptation hurts.  None when a score is missing or the oracle leaves no gap to recover.
    """
    if score is None or source_only is None or oracle is None or oracle <= source_only:
        return None
    return (score - source_only) / (oracle - source_only)


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

    counts = np.asarray(per_image)
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2] or counts.dtype.kind not in "iu":
        raise ValueError(f"per_image must be integer counts (N, K, K), not {counts.dtype} {counts.shape}")
    if not 0 < level < 1 or samples < 1:
        raise ValueError(f"level {level} must lie between 0 and 1, and samples {samples} be at least 1")
    if groups is not None:
        counts = _by_group(counts, groups)
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
    if statistic is miou and counts.size and counts.min() >= 0:
        hits = counts.diagonal(axis1=1, axis2=2)
        unions = counts.sum(1) + counts.sum(2) - hits
        flat = np.concatenate([hits, unions], axis=1).astype(np.float64)
        return np.concatenate([_mious(sums) for sums in _resampled_sums(flat, samples, seed)])
    sums = _resampled_sums(counts.reshape(n, -1).astype(np.float64), samples, seed)
    drawn = (statistic(total.reshape(classes, classes)) for chunk in sums for total in chunk.astype(np.int64))
    return [value for value in drawn if value is not None]


def _mious(sums: NDArray[Any]) -> NDArray[np.float64]:
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


def _by_group(counts: NDArray[Any], groups: Sequence[Hashable]) -> NDArray[Any]:
    """(N, K, K) -> (G, K, K), one sum per distinct group in order of first appearance."""
    import numpy as np

    if len(groups) != len(counts):
        raise ValueError(f"{len(groups)} groups for {len(counts)} images")
    place = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    summed = np.zeros((len(place), *counts.shape[1:]), dtype=np.int64)
    np.add.at(summed, [place[group] for group in groups], counts)
    return summed


def _resampled_sums(flat: NDArray[Any], samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
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


def _margins(confusion: Confusion) -> tuple[list[int], list[int], list[int]]:
    """Per class: pixels right, labelled, predicted.  Integers only: float32 sums lose pixels past 2**24."""
    matrix: Any = confusion
    if hasattr(matrix, "diagonal"):
        square, least = matrix.ndim == 2 and len(set(matrix.shape)) == 1, matrix.min() if matrix.size else 0
        hits, rows, columns = matrix.diagonal().tolist(), matrix.sum(1).tolist(), matrix.sum(0).tolist()
    else:
        square, least = all(len(row) == len(matrix) for row in matrix), min(map(min, matrix), default=0)
        hits = [row[k] for k, row in enumerate(matrix)] if square else []
        rows, columns = [sum(row) for row in matrix], [sum(column) for column in zip(*matrix, strict=False)]
    if not square or least < 0 or not all(isinstance(v, int) for v in (*hits, *rows, *columns)):
        raise ValueError("a confusion matrix is K x K counts, integers >= 0; sum per-image counts over images first")
    return hits, rows, columns


def _ious(hits: list[int], rows: list[int], columns: list[int]) -> list[float | None]:
    return [_share(hit, row + column - hit) for hit, row, column in zip(hits, rows, columns, strict=True)]


def _dices(hits: list[int], rows: list[int], columns: list[int]) -> list[float | None]:
    return [_share(2 * hit, row + column) for hit, row, column in zip(hits, rows, columns, strict=True)]


def _recalls(hits: list[int], rows: list[int], _: list[int]) -> list[float | None]:
    return [_share(hit, row) for hit, row in zip(hits, rows, strict=True)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that exist; exactly the same in any order of the classes (fsum)."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None
