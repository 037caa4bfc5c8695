"""The training objective of PIDNet: outputs of its three heads and labels -> one scalar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.losses.boundary import balanced_bce, edge_targets
from bench.losses.cross_entropy import mean_where, of_pixels
from bench.losses.ohem import check_mining, hard_pixels
from bench.losses.options import check_weight
from bench.losses.outputs import logits_for, resized
from bench.spec import IGNORE, BenchError

if TYPE_CHECKING:
    from bench.losses import Loss

TINY = 1e-30


def pidnet(
    *,
    threshold: float = 0.9,
    min_kept: int = 131072,
    aux_weight: float = 0.4,
    boundary_weight: float = 20.0,
    boundary_threshold: float = 0.8,
) -> Loss:
    """PIDNet's objective: hard pixels, auxiliary head, boundary head, and hard pixels near boundaries.

    Gives f(outputs, labels): outputs "aux" and "out" float (N, K, h, w), "boundary" float (N, 1, h, w), labels int64
    (N, H, W) in 0..K-1 or IGNORE -> scalar; terms without a pixel count 0.  Needs a model built with `aux: true`.
    `threshold` and `min_kept` choose the hard pixels as in the loss `ohem`: **scale `min_kept` with crop and batch**.
    `boundary_threshold` is the probability above which the boundary head has found a boundary.

    The boundary head learns from all pixels, IGNORE ones included; the other two heads from labelled pixels only.
    Raises BenchError for options out of range and for a model without the three outputs.

    Source: Xu et al. 2022, arXiv 2206.02066, and its code, utils/criterion.py.  Differs from the paper in: edges come
    from the cropped labels on the device, where the paper runs Canny on full-size labels before scaling and cropping
    (see `boundary.edge_targets`), so crops have no frame without edges; a term with no pixel is 0 where the paper's
    code raises.
    """
    check_mining(threshold, min_kept)
    check_weight("aux_weight", aux_weight)
    check_weight("boundary_weight", boundary_weight)
    if not 0.0 <= boundary_threshold <= 1.0:
        problem = f"boundary_threshold is {boundary_threshold}"
        raise BenchError(problem, remedy="give a probability in [0, 1]", key="loss.boundary_threshold")

    def loss(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        heads = [logits_for(outputs, name, labels, align_corners=True) for name in ("aux", "out", "boundary")]
        return objective(
            heads,
            labels,
            edge_targets(labels),
            ohem=True,
            ohem_thres=threshold,
            ohem_keep=min_kept,
            balance=(aux_weight, 1.0),
            sb_weight=1.0,
            boundary_weight=boundary_weight,
            boundary_threshold=boundary_threshold,
        )["total"]

    return loss


def objective(
    outputs: Sequence[Tensor],
    labels: Tensor,
    edges: Tensor,
    *,
    ohem: bool,
    ohem_thres: float,
    ohem_keep: int,
    balance: Sequence[float] = (0.4, 1.0),
    sb_weight: float = 1.0,
    class_weights: Tensor | None = None,
    ignore_index: int = IGNORE,
    boundary_weight: float = 20.0,
    boundary_threshold: float = 0.8,
) -> dict[str, Tensor]:
    """The objective and its parts, from logits [aux, out, boundary], labels int64 (N, H, W) and edges 0/1 (N, H, W).

    Gives scalars: "loss_s" (aux and main head, weighted by `balance`), "loss_b" (boundary head, times
    `boundary_weight`), "loss_sb" (main head where the boundary head says boundary, times `sb_weight`) and their sum
    "total".  `class_weights` (K,) multiply each pixel's cross entropy.

    With `ohem`, as in the paper's code: the auxiliary term is divided by all pixels, ignored ones included, and no mean
    is divided by the class weights.  Without, every mean is over the labelled pixels, divided by their class weights.
    """
    aux, out, boundary = (resized(logits, labels.shape[-2:], align_corners=True) for logits in outputs)
    valid = labels != ignore_index
    values, aux_values = (of_pixels(logits, labels, ignore_index=ignore_index) for logits in (out, aux))
    weights = None if class_weights is None else class_weights[labels.where(valid, 0)]

    def mean(values: Tensor, kept: Tensor) -> Tensor:
        if weights is None:
            return mean_where(values, kept)
        total = mean_where(values * weights, kept)
        return total if ohem else total / mean_where(weights, kept).clamp(min=TINY)

    def main_mean(of: Tensor) -> Tensor:
        if not ohem:
            return mean(values, of)
        return mean(values, hard_pixels(torch.where(of, values, 0.0), of, threshold=ohem_thres, min_kept=ohem_keep))

    near = valid & (torch.sigmoid(boundary.detach()).squeeze(1) > boundary_threshold)
    aux_mean = mean(aux_values, torch.ones_like(valid) if ohem else valid)
    parts = {
        "loss_s": balance[0] * aux_mean + balance[1] * main_mean(valid),
        "loss_b": boundary_weight * balanced_bce(boundary.squeeze(1), edges),
        "loss_sb": sb_weight * main_mean(near),
    }
    return {**parts, "total": parts["loss_s"] + parts["loss_b"] + parts["loss_sb"]}
