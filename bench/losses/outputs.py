"""A model's named outputs -> the logits a loss learns from, or an error that says how to get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.options import check_weight
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.losses.class_weights import ClassWeights


class HeadLoss:
    """A loss of the main output, plus `aux_weight` times the same of the auxiliary one.

    `term(logits, labels)`: float (N, K, h, w) and int64 (N, H, W) -> scalar.  `weights` are the class weights in it, if
    any; `fit` passes on to them what the labelled images hold.
    """

    def __init__(
        self, term: Callable[[Tensor, Tensor], Tensor], aux_weight: float, weights: ClassWeights | None = None
    ) -> None:
        check_weight("aux_weight", aux_weight)
        self.term, self.aux_weight, self.weights = term, aux_weight, weights

    def __call__(self, outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        total = self.term(output_of(outputs, "out", labels), labels)
        if self.aux_weight > 0:
            total = total + self.aux_weight * self.term(output_of(outputs, "aux", labels), labels)
        return total

    def fit(self, counts: Tensor) -> None:
        """Told once, before the first step: `counts` int64 (N, K), pixels of class k in labelled image n."""
        if self.weights is not None:
            self.weights.fit(counts)


def output_of(outputs: dict[str, Tensor], name: str, labels: Tensor) -> Tensor:
    """`outputs[name]`, (N, K, h, w), as float32 or float64: a loss in half precision loses small pixels in large sums.

    Raises BenchError when the model has no such output, TypeError when labels are not int64 (uint8 labels are
    converted once, where the batch is made, not in every loss).
    """
    if name not in outputs:
        raise BenchError(
            f"the loss needs the output '{name}', and the model gives only {', '.join(sorted(outputs))}",
            remedy="set `aux: true` on a model that has auxiliary heads (pidnet_s, pidnet_m, pidnet_l)",
            key="loss",
        )
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, not {labels.dtype}")
    return wide(outputs[name])


def wide(logits: Tensor) -> Tensor:
    """`logits` as float32, unless they are float64."""
    return logits if logits.dtype == torch.float64 else logits.float()


def logits_for(outputs: dict[str, Tensor], name: str, labels: Tensor, *, align_corners: bool = False) -> Tensor:
    """`output_of`, resized bilinearly to the (H, W) of `labels`, int64 (N, H, W)."""
    return resized(output_of(outputs, name, labels), labels.shape[-2:], align_corners=align_corners)


def resized(logits: Tensor, size: torch.Size, *, align_corners: bool) -> Tensor:
    """`logits` (N, K, h, w) at (H, W) = `size`; unchanged where they have that size already."""
    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=align_corners)
