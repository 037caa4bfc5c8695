"""Logits and labels -> the Jaccard loss."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from bench.losses.options import check_weight
from bench.losses.outputs import HeadLoss
from bench.losses.overlap import overlap_loss

if TYPE_CHECKING:
    from bench.losses import Loss


def jaccard(
    *,
    smooth: float = 0.0,
    per_image: bool = False,
    classes: Literal["present", "all"] = "present",
    aux_weight: float = 0.0,
) -> Loss:
    """Jaccard loss: 1 - intersection over union of each class, in probabilities; mean over classes.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE -> scalar
    in [0, 1]; 0, with zero gradient, where nothing is labelled.  A class's loss is 1 - (sum p t + s) / (sum p + sum t -
    sum p t + s) over the labelled pixels of the batch, or of each image (`per_image`); s = `smooth`.  `classes`: those
    with a labelled pixel there, or all.  `aux_weight` > 0 adds that many times the same loss on outputs["aux"].

    Memory beyond the model's: a gradient of the logits and a few bands of 32 rows.  Raises BenchError for options out
    of range and a model without an "aux" output where one is asked for.

    Source: Rahman and Wang 2016, Optimizing intersection-over-union in deep neural networks for image segmentation,
    ISVC, section 3.  Differs from the paper in: several classes; absent ones are left out.
    """
    check_weight("smooth", smooth)
    term = functools.partial(
        overlap_loss, fp_weight=1.0, fn_weight=1.0, smooth=smooth, per_image=per_image, classes=classes
    )
    return HeadLoss(term, aux_weight)
