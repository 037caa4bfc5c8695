"""Confusion counts (row = label, column = prediction) -> IoU, accuracy, Dice, gap recovered, in [0, 1].

One definition, the benchmarks' own: counts are summed over the whole split first, void pixels are in no count, and the
mean is over classes that occur as a label or as a prediction.  The mean of per-image or per-batch scores is another
number (often by five points and more) and is not offered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Confusion = Sequence[Sequence[int]] | NDArray[np.integer[Any]]
    """K x K integer counts, row = label, column = prediction, of one image or summed over a split."""


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
        labelled=sum(map(bool, rows)),
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


def _margins(confusion: Confusion) -> tuple[list[int], list[int], list[int]]:
    """Per class: pixels right, labelled, predicted.  Integers only: float32 sums lose pixels past 2**24."""
    matrix: Any = confusion
    if hasattr(matrix, "diagonal"):
        square, negative = matrix.ndim == 2 and len(set(matrix.shape)) == 1, (matrix < 0).any()
        hits, rows, columns = matrix.diagonal().tolist(), matrix.sum(1).tolist(), matrix.sum(0).tolist()
    else:
        square, negative = all(len(row) == len(matrix) for row in matrix), any(v < 0 for row in matrix for v in row)
        hits = [row[k] for k, row in enumerate(matrix)] if square else []
        rows, columns = [sum(row) for row in matrix], [sum(column) for column in zip(*matrix, strict=False)]
    if not square or negative or not all(isinstance(v, int) for v in (*hits, *rows, *columns)):
        raise ValueError("a confusion matrix is K x K counts, integers >= 0; sum per-image counts over images first")
    return hits, rows, columns


def _ious(hits: list[int], rows: list[int], columns: list[int]) -> list[float | None]:
    return list(map(lambda hit, row, column: _share(hit, row + column - hit), hits, rows, columns))


def _dices(hits: list[int], rows: list[int], columns: list[int]) -> list[float | None]:
    return list(map(lambda hit, row, column: _share(2 * hit, row + column), hits, rows, columns))


def _recalls(hits: list[int], rows: list[int], _: list[int]) -> list[float | None]:
    return list(map(_share, hits, rows))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that exist; exactly the same in any order of the classes (fsum)."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None
