"""Confusion counts -> the scores that trackers show, by domain: shares in [0, 1], None where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.scores import iou, miou
from bench.spec import Counts


def scored(confusion: Mapping[str, Counts]) -> dict[str, float | None]:
    """domain -> mIoU."""
    return {domain: miou(counts) for domain, counts in confusion.items()}


def table(confusion: Mapping[str, Counts], classes: Sequence[str]) -> Iterator[tuple[str, str, float | None]]:
    """(domain, class, IoU), and for each domain a last row with the mean."""
    for domain, counts in confusion.items():
        for row in zip(classes, iou(counts), strict=True):
            yield (domain, *row)
        yield domain, "mean", miou(counts)
