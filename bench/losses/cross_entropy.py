"""Logits and labels -> cross entropy: of each pixel, or the mean over the labelled ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.outputs import logits_for
from bench.spec import IGNORE, BenchError

if TYPE_CHECKING:
    from bench.losses import Loss


def cross_entropy(*, aux_weight: float = 0.0) -> Loss:
    """Cross entropy, mean over the labelled pixels of the batch.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE ->
    scalar; 0, with zero gradient, where nothing is labelled.  `aux_weight` > 0 adds that many times the same loss on
    outputs["aux"].  Logits are resized to the labels (bilinear, half-pixel centres).

    Raises BenchError for a negative weight, and for a model without an "aux" output where one is asked for.

    As in the paper (Long et al. 2015, arXiv 1411.4038, section 4: a loss per pixel, masked pixels left out).
    """
    check_weight("aux_weight", aux_weight)

    def loss(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        total = labelled_mean(logits_for(outputs, "out", labels), labels)
        if aux_weight > 0:
            total = total + aux_weight * labelled_mean(logits_for(outputs, "aux", labels), labels)
        return total

    return loss


def labelled_mean(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of logits (N, K, H, W) over the pixels of labels (N, H, W) that are not IGNORE; 0 if none."""
    return of_pixels(logits, labels).sum() / (labels != IGNORE).sum().clamp(min=1)


def of_pixels(logits: Tensor, labels: Tensor, *, ignore_index: int = IGNORE) -> Tensor:
    """Cross entropy of every pixel: logits (N, K, H, W), labels int64 (N, H, W) -> (N, H, W), 0 where ignored.

    Never reduced by torch itself: its reduction is nan over no pixel, and on CUDA adds up in no fixed order.
    """
    return F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="none")


def mean_where(values: Tensor, kept: Tensor) -> Tensor:
    """Mean of `values` where the boolean `kept` (same shape) holds; 0, with zero gradient, where it holds nowhere."""
    return torch.where(kept, values, 0.0).sum() / kept.sum().clamp(min=1)


def check_weight(name: str, value: float) -> None:
    """Raises BenchError unless `value`, the option `name` of a loss, is a finite number that is not negative."""
    if not (math.isfinite(value) and value >= 0):
        raise BenchError(f"{name} is {value}", remedy="give a number that is not negative", key=f"loss.{name}")
