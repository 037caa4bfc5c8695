"""Logits and labels -> how predicted and labelled pixels of each class overlap, and losses made of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from bench.losses.bands import Bands, by_bands
from bench.losses.cross_entropy import mean_where
from bench.losses.outputs import resized
from bench.spec import IGNORE

Counted = Literal["present", "all"]
TINY = 1e-12


def overlap_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    fp_weight: float,
    fn_weight: float,
    smooth: float,
    squared: bool = False,
    per_image: bool,
    classes: Counted,
) -> Tensor:
    """1 - (TP + s) / (TP + a FP + b FN + s), mean over classes: logits (N, K, h, w), labels int64 (N, H, W) -> scalar.

    TP, FP, FN are sums of probabilities over the labelled pixels of the batch, or of each image (`per_image`), whose
    losses are averaged; a = `fp_weight`, b = `fn_weight`, s = `smooth`.  With `squared` the predicted size of a class
    is a sum of squares.  `classes`: those that have a labelled pixel there, or all where anything is labelled; 0 where
    nothing is.
    """
    sums = class_sums(logits, labels, squared=squared)
    hit, predicted, labelled = sums if per_image else sums.sum(1, keepdim=True)
    whole = hit + fp_weight * (predicted - hit) + fn_weight * (labelled - hit) + smooth
    index = (hit + smooth) / whole.clamp(min=TINY)
    counted = labelled > 0
    return mean_where(1 - index, counted if classes == "present" else counted.any(1, keepdim=True).expand_as(counted))


def class_sums(logits: Tensor, labels: Tensor, *, squared: bool = False) -> Tensor:
    """(3, N, K): for each image and class, over its labelled pixels, the sum of the class's probability where it is the
    label, the sum of it everywhere (of its square, if `squared`), and the number of pixels that have it as label.

    Probabilities are the softmax of logits (N, K, h, w) resized to labels (N, H, W), made anew band by band in either
    direction, so extra memory is a few bands and, going back, the gradient.
    """
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]

    def walk(given: Tensor, wanted: bool) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        sums = given.new_zeros(3, *given.shape[:2])
        for rows, band in Bands(given, labels.shape[-2:]):
            sums += _sums(band.softmax(1), labels[:, None, rows], classes, squared)
        return sums, lambda above: back(given, above)

    def back(given: Tensor, above: Tensor) -> Tensor:
        bands = Bands(given, labels.shape[-2:])
        hit, size, _ = above[..., None, None]
        for rows, band in bands:
            p, of = band.softmax(1), labels[:, None, rows]
            slope = 2 * p * size if squared else size.expand_as(p)
            slope = torch.where(of == classes, slope + hit, slope)
            slope = slope - (p * slope).sum(1, keepdim=True)
            bands.add(rows, p.mul_(of != IGNORE).mul_(slope))
        return bands.gradient()

    def plain(given: Tensor) -> Tensor:
        full = resized(given, labels.shape[-2:], align_corners=False)
        return _sums(full.softmax(1), labels[:, None], classes, squared)

    return by_bands(logits, walk, plain)


def _sums(p: Tensor, labels: Tensor, classes: Tensor, squared: bool) -> Tensor:
    """`class_sums` of probabilities (N, K, R, W) and labels (N, 1, R, W)."""
    is_label = labels == classes
    counted = p * (labels != IGNORE)
    size = (counted * p if squared else counted).sum((2, 3))
    return torch.stack([torch.where(is_label, p, 0.0).sum((2, 3)), size, is_label.sum((2, 3)).to(p.dtype)])
