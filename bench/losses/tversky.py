"""Logits and labels -> the Tversky loss."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from bench.losses.options import check_weight
from bench.losses.outputs import HeadLoss
from bench.losses.overlap import overlap_loss
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.losses import Loss


def tversky(
    *,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    smooth: float = 0.0,
    per_image: bool = False,
    classes: Literal["present", "all"] = "present",
    aux_weight: float = 0.0,
) -> Loss:
    """Tversky loss: 1 - TP / (TP + fp_weight FP + fn_weight FN) of each class, in probabilities; mean over classes.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE -> scalar
    in [0, 1]; 0, with zero gradient, where nothing is labelled.  Weights 0.5 and 0.5 make it Dice, 1 and 1 Jaccard; a
    larger `fn_weight` finds more of a class and is wrong more often.  Sums are over the labelled pixels of the batch,
    or of each image (`per_image`); `smooth` stands above and below the line.  `classes`: those with a labelled pixel
    there, or all.  `aux_weight` > 0 adds that many times the same loss on outputs["aux"].

    Memory beyond the model's: a gradient of the logits and a few bands of 32 rows.  Raises BenchError for options out
    of range and a model without an "aux" output where one is asked for.

    Source: Salehi et al. 2017, arXiv 1706.05721, section 2 (fp_weight is its alpha, fn_weight its beta; others have
    them the other way round).  Differs from the paper in: several classes; absent ones are left out.
    """
    for name, value in (("fp_weight", fp_weight), ("fn_weight", fn_weight), ("smooth", smooth)):
        check_weight(name, value)
    if fp_weight == fn_weight == 0:
        raise BenchError("no mistake counts", remedy="give fp_weight or fn_weight above 0", key="loss.fp_weight")
    term = functools.partial(
        overlap_loss, fp_weight=fp_weight, fn_weight=fn_weight, smooth=smooth, per_image=per_image, classes=classes
    )
    return HeadLoss(term, aux_weight)
