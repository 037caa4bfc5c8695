"""Logits and labels -> cross entropy: of each pixel, or the mean over the labelled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.class_weights import ClassWeights
from bench.losses.options import check_fraction
from bench.losses.outputs import HeadLoss
from bench.losses.pixel_sum import TINY, pixel_sum
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.losses import Loss


def cross_entropy(
    *,
    aux_weight: float = 0.0,
    weights: list[float] | Literal["median_frequency", "inverse", "log"] | None = None,
    label_smoothing: float = 0.0,
) -> Loss:
    """Cross entropy, mean over the labelled pixels of the batch; with class weights and label smoothing.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE ->
    scalar; 0, with zero gradient, where nothing is labelled.  `aux_weight` > 0 adds that many times the same loss on
    outputs["aux"].  Logits are resized to the labels (bilinear, half-pixel centres).

    `weights`, one per class, or a rule that makes them of the labelled images' class counts: pixels count w_y, the mean
    is divided by their sum.  `label_smoothing` s: a pixel's target is 1 - s on its class and s / K on each of the K.

    Memory beyond the model's: from low-resolution logits a few bands of 32 rows (see `pixel_sum`), from full-size ones
    their log-softmax.  Raises BenchError for options out of range, weights for another number of classes, and a model
    without an "aux" output where one is asked for.

    Source: Long et al. 2015, arXiv 1411.4038, section 4 (a loss per pixel, masked ones left out); Eigen and Fergus
    2015, arXiv 1411.4734 and Paszke et al. 2016, arXiv 1606.02147 (weights); Szegedy et al. 2016, arXiv 1512.00567,
    section 7 (smoothing).  As in the paper.
    """
    check_fraction("label_smoothing", label_smoothing)
    by_class = None if weights is None else ClassWeights(weights)

    def term(logits: Tensor, labels: Tensor) -> Tensor:
        chosen = None if by_class is None else by_class.of(logits)
        return labelled_mean(logits, labels, weights=chosen, smoothing=label_smoothing)

    return HeadLoss(term, aux_weight, by_class)


def labelled_mean(logits: Tensor, labels: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of logits (N, K, h, w) over the pixels of labels (N, H, W) that are not IGNORE; 0 if none.

    With `weights` (K,) it is divided by the weights of those pixels, and 0 where they have none.
    """
    valid = labels != IGNORE
    if weights is not None:
        mass = torch.where(valid, weights[labels.where(valid, 0)], 0.0).sum()
        total = pixel_sum(logits, labels, weights=weights, smoothing=smoothing)
        return torch.where(mass > 0, total / mass.clamp(min=TINY), 0.0)
    if smoothing or logits.shape[-2:] != labels.shape[-2:]:
        return pixel_sum(logits, labels, smoothing=smoothing) / valid.sum().clamp(min=1)
    return of_pixels(logits, labels).sum() / valid.sum().clamp(min=1)  # at full size torch's own is as fast


def of_pixels(logits: Tensor, labels: Tensor, *, ignore_index: int = IGNORE) -> Tensor:
    """Cross entropy of every pixel: logits (N, K, H, W), labels int64 (N, H, W) -> (N, H, W), 0 where ignored.

    Never reduced by torch itself: its reduction is nan over no pixel, and on CUDA adds up in no fixed order.
    """
    return F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="none")


def mean_where(values: Tensor, kept: Tensor) -> Tensor:
    """Mean of `values` where the boolean `kept` (same shape) holds; 0, with zero gradient, where it holds nowhere."""
    return torch.where(kept, values, 0.0).sum() / kept.sum().clamp(min=1)
