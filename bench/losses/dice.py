"""Logits and labels -> the Dice loss."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from bench.losses.options import check_weight
from bench.losses.outputs import HeadLoss
from bench.losses.overlap import overlap_loss

if TYPE_CHECKING:
    from bench.losses import Loss


def dice(
    *,
    smooth: float = 0.0,
    squared: bool = False,
    per_image: bool = False,
    classes: Literal["present", "all"] = "present",
    aux_weight: float = 0.0,
) -> Loss:
    """Dice loss: 1 - 2 TP / (predicted + labelled) of each class, in probabilities; mean over classes.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE -> scalar
    in [0, 1]; 0, with zero gradient, where nothing is labelled.  A class's loss is 1 - (2 sum p t + s) / (sum p +
    sum t + s) over the labelled pixels of the batch, or of each image (`per_image`); s = `smooth`; with `squared` it is
    sum p^2 below the line.  `classes`: those with a labelled pixel there, or all: then a class that is not there counts
    1 unless `smooth` lets it off.  `aux_weight` > 0 adds that many times the same loss on outputs["aux"].

    Memory beyond the model's: a gradient of the logits and a few bands of 32 rows.  Raises BenchError for options out
    of range and a model without an "aux" output where one is asked for.

    Source: Milletari et al. 2016, arXiv 1606.04797, section 3 (V-Net; `squared: true`).  Differs from the paper in:
    several classes; plain sums by default; absent classes are left out.
    """
    check_weight("smooth", smooth)
    term = functools.partial(
        overlap_loss,
        fp_weight=0.5,
        fn_weight=0.5,
        smooth=smooth / 2,
        squared=squared,
        per_image=per_image,
        classes=classes,
    )
    return HeadLoss(term, aux_weight)
