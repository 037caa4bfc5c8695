"""Confusion counts (row = label, column = prediction) -> scores, what they leave open, what may be said of them.

counts      one matrix -> IoU, mIoU, accuracy, Dice, gap recovered
bootstrap   counts per image -> interval of a score
paired      counts per image and seed of several methods -> interval of a difference and of the gap recovered
collapse    counts of several seeds -> classes that are lost, and since when
ranks       two rows of numbers -> how alike they are ordered

No torch; `paired` needs numpy and is imported by name, the others load no numpy on import.
"""

from bench.scores.bootstrap import Interval, bootstrap_interval
from bench.scores.counts import (
    Scores,
    absent,
    dice,
    gap_recovered,
    iou,
    mean_accuracy,
    mean_dice,
    miou,
    pixel_accuracy,
    recall,
    summary,
)

__all__ = [
    "Interval",
    "Scores",
    "absent",
    "bootstrap_interval",
    "dice",
    "gap_recovered",
    "iou",
    "mean_accuracy",
    "mean_dice",
    "miou",
    "pixel_accuracy",
    "recall",
    "summary",
]
