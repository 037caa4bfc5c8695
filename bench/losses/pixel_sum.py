"""Logits of any size and labels -> a sum over labelled pixels: of cross entropies, weighted, smoothed, focused."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.bands import Bands, by_bands
from bench.losses.outputs import resized
from bench.spec import IGNORE

TINY = 1e-30


def pixel_sum(
    logits: Tensor, labels: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0, gamma: float = 0.0
) -> Tensor:
    """Sum over labelled pixels of (1 - s) w_y (1 - p_y)^gamma l_y + s / K * sum over classes k of w_k l_k, a scalar.

    `logits` float (N, K, h, w), `labels` int64 (N, H, W) in 0..K-1 or IGNORE, `weights` (K,) or None for ones,
    s = `smoothing`; l = -log p, p the softmax of the logits resized to (H, W) (bilinear, half-pixel centres).

    The gradient is made along with the value, band by band: full-size logits or probabilities are never there at once.
    Extra memory: 2 * N * K * h * W values and three bands, and a gradient of the logits' size.
    """

    def walk(given: Tensor, wanted: bool) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        bands = Bands(given, labels.shape[-2:])
        total = given.new_zeros(())
        for rows, band in bands:
            value, gradient = _of_band(band, labels[:, None, rows], weights, smoothing, gamma, wanted)
            total += value
            if gradient is not None:
                bands.add(rows, gradient)
        gathered = bands.gradient() if wanted else given
        return total, lambda above: gathered * above

    def plain(given: Tensor) -> Tensor:
        full = resized(given, labels.shape[-2:], align_corners=False)
        if not gamma:
            options = {"ignore_index": IGNORE, "reduction": "sum", "label_smoothing": smoothing}
            return F.cross_entropy(full, labels, weight=weights, **options)  # type: ignore[arg-type]
        values = F.cross_entropy(full, labels, ignore_index=IGNORE, reduction="none")
        own = 1.0 if weights is None else weights[labels.where(labels != IGNORE, 0)]
        return (own * (-torch.expm1(-values)).clamp(min=TINY) ** gamma * values).sum()

    return by_bands(logits, walk, plain)


def _of_band(
    band: Tensor, labels: Tensor, weights: Tensor | None, smoothing: float, gamma: float, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """The sum over one band, logits (N, K, R, W) and labels (N, 1, R, W); its gradient, where `wanted`."""
    valid = labels != IGNORE
    labels = labels.where(valid, 0)
    p = band.softmax(1)
    whole = band.amax(1, keepdim=True) - p.amax(1, keepdim=True).log()  # log-sum-exp; the largest p never vanishes
    values, slope = _focused(whole - band.gather(1, labels), gamma)
    factor = valid if weights is None else valid * weights[labels]
    total, slope = values.where(valid, 0.0).mul_(factor).sum(), slope.mul_(factor)
    if not smoothing:
        return total, p.mul_(slope).scatter_add_(1, labels, -slope) if wanted else None
    total, slope = (1 - smoothing) * total, (1 - smoothing) * slope
    each = band.new_ones(band.shape[1]) if weights is None else weights
    each = (smoothing / len(each) * each)[:, None, None]
    spread = whole * each.sum() - (band * each).sum(1, keepdim=True)
    total = total + spread.where(valid, 0.0).sum()
    if not wanted:
        return total, None
    return total, p.mul_(slope + valid * each.sum()).sub_(valid * each).scatter_add_(1, labels, -slope)


def _focused(values: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """(1 - p)^gamma l and its derivative by l, for l = `values` = -log p; finite at p = 1, where gamma < 1 has none."""
    if not gamma:
        return values, torch.ones_like(values)
    missed = -torch.expm1(-values)
    power = missed**gamma
    ratio = torch.where(missed > 0, values / missed, 1.0)
    return power * values, power * (1 + gamma * (1 - missed) * ratio)
