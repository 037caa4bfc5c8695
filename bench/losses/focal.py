"""Logits and labels -> the focal loss: cross entropy that counts less the surer a pixel is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor

from bench.losses.class_weights import ClassWeights
from bench.losses.options import check_weight
from bench.losses.outputs import HeadLoss
from bench.losses.pixel_sum import pixel_sum
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.losses import Loss


def focal(
    *,
    gamma: float = 2.0,
    alpha: float | list[float] | Literal["median_frequency", "inverse", "log"] | None = None,
    aux_weight: float = 0.0,
) -> Loss:
    """Focal loss: cross entropy times (1 - p)^gamma, p the probability of the pixel's class; mean over labelled pixels.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE ->
    scalar; 0, with zero gradient, where nothing is labelled.  p is the softmax's; `gamma` 0 is cross entropy.  `alpha`
    multiplies every pixel, or the pixels of each class (a list, or a rule that makes one of the labelled images' class
    counts); the mean is not divided by it.  `aux_weight` > 0 adds that many times the same loss on outputs["aux"].

    Memory beyond the model's: a gradient of the logits and a few bands of 32 rows.  Raises BenchError for options out
    of range, `alpha` for another number of classes, and a model without an "aux" output where one is asked for.

    Source: Lin et al. 2017, arXiv 1708.02002, section 3.  Differs from the paper in: softmax over K classes instead of
    K detectors with a sigmoid each; divided by the labelled pixels, there by the anchors given to an object.
    """
    check_weight("gamma", gamma)
    if isinstance(alpha, (int, float)):
        check_weight("alpha", alpha)
    factor = float(alpha) if isinstance(alpha, (int, float)) else 1.0
    by_class = ClassWeights(alpha, "alpha") if isinstance(alpha, (list, str)) else None

    def term(logits: Tensor, labels: Tensor) -> Tensor:
        weights = None if by_class is None else by_class.of(logits)
        total = pixel_sum(logits, labels, weights=weights, gamma=gamma)
        return factor * total / (labels != IGNORE).sum().clamp(min=1)

    return HeadLoss(term, aux_weight, by_class)
