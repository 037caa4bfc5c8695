"""Cross entropy over the hard pixels only (online hard example mining), chosen on the device without a sort."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.losses.cross_entropy import labelled_mean, mean_where, of_pixels
from bench.losses.options import check_weight
from bench.losses.outputs import logits_for
from bench.spec import IGNORE, BenchError

if TYPE_CHECKING:
    from bench.losses import Loss


def ohem(*, threshold: float = 0.9, min_kept: int = 131072, aux_weight: float = 0.0) -> Loss:
    """Cross entropy over the hard pixels: those whose true class has a probability below `threshold`.

    Where fewer than `min_kept` pixels of the batch are that hard, about the `min_kept` hardest are taken instead (see
    `hard_pixels`).  **`min_kept` counts pixels of a whole batch, so scale it with crop and batch size**: the default is
    that of PIDNet for 6 crops of 1024 x 1024, one pixel in 48.  The same share of 6 crops of 512 x 512 is 32768.  At or
    above the number of pixels in the batch nothing is mined: the loss is cross entropy without its one easiest pixel.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE ->
    scalar; 0, with zero gradient, where no pixel is kept.  `aux_weight` > 0 adds that many times the plain cross
    entropy of outputs["aux"].  Logits are resized to the labels (bilinear, half-pixel centres).

    Raises BenchError for options out of range, and for a model without an "aux" output where one is asked for.

    Source: Shrivastava et al. 2016, arXiv 1604.03540 (the idea); Xu et al. 2022, arXiv 2206.02066, code,
    utils/criterion.py (this form).  Differs from the paper in: nothing kept gives 0 instead of an error; the auxiliary
    term is the mean over labelled pixels.
    """
    check_mining(threshold, min_kept)
    check_weight("aux_weight", aux_weight)

    def loss(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        values = of_pixels(logits_for(outputs, "out", labels), labels)
        hard = hard_pixels(values, labels != IGNORE, threshold=threshold, min_kept=min_kept)
        total = mean_where(values, hard)
        if aux_weight > 0:
            total = total + aux_weight * labelled_mean(logits_for(outputs, "aux", labels), labels)
        return total

    return loss


@torch.no_grad()
def hard_pixels(values: Tensor, valid: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    """Which pixels are hard: cross entropies `values`, 0 where not `valid`, both (N, H, W) -> boolean (N, H, W).

    With p the probability of the true class, in ascending order over the n valid pixels, a pixel is hard where
    p < max(p[min(min_kept, n - 1)], threshold).  The comparison is strict, so the pixel at that place is not kept.
    """
    # p = exp(-value) falls as the value rises, so all is done on values: hard = above a bound.
    bound = -math.log(threshold) if threshold > 0 else math.inf
    hard = ~(values <= bound)  # not `>`: a nan must count as hard, or a network that diverged would show a loss of 0
    if readable(values) and hard.sum() > min_kept:
        return hard  # as below, where the place is then above the bound: no need to find it
    return ~(values <= place(values, valid, min_kept).clamp(max=bound))


def place(values: Tensor, valid: Tensor, min_kept: int) -> Tensor:
    """The value at index min(min_kept, n - 1) of the n valid ones in descending order, a scalar, without a sort.

    `values` are 0 where not `valid`, so that these cannot precede a valid one.  The result for n = 0 is infinity.
    """
    lowest = torch.where(valid, values, math.inf).amin()
    if min_kept >= values.numel():
        return lowest
    return torch.where(valid.sum() > min_kept, largest(values.flatten(), min_kept + 1), lowest)


def largest(values: Tensor, k: int) -> Tensor:
    """The k-th largest of `values` (n,), k <= n, a scalar that the host does not wait for."""
    if readable(values):
        return torch.from_numpy(np.partition(values.detach().numpy(), -k))[
            -k
        ]  # about 6 times as fast as torch's selections
    # No `kthvalue`: on CUDA one block walks all values, and it is refused where determinism is asked for.
    return values.topk(k, sorted=False).values.amin()


def readable(values: Tensor) -> bool:
    """Whether the host may look at `values` for nothing: on any other device it would wait for all work before them."""
    return values.device.type == "cpu"


def check_mining(threshold: float, min_kept: int) -> None:
    """Raises BenchError unless `threshold` is a probability and `min_kept` a positive number of pixels."""
    if not 0.0 <= threshold <= 1.0:
        raise BenchError(f"threshold is {threshold}", remedy="give a probability in [0, 1]", key="loss.threshold")
    if min_kept < 1:
        raise BenchError(f"min_kept is {min_kept}", remedy="give a positive number of pixels", key="loss.min_kept")
