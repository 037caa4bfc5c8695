"""A model's named outputs -> logits at the size of the labels, or an error that says how to get them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.spec import BenchError


def logits_for(outputs: dict[str, Tensor], name: str, labels: Tensor, *, align_corners: bool = False) -> Tensor:
    """`outputs[name]`, float (N, K, h, w), resized bilinearly to the (H, W) of `labels`, int64 (N, H, W).

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
    return resized(outputs[name], labels.shape[-2:], align_corners=align_corners)


def resized(logits: Tensor, size: torch.Size, *, align_corners: bool) -> Tensor:
    """`logits` (N, K, h, w) at (H, W) = `size`; unchanged where they have that size already."""
    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=align_corners)
