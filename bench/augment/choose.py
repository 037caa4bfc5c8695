"""Which samples of a batch are changed + their changed version -> the batch."""

from __future__ import annotations

import torch
from torch import Tensor


def where_chosen(chosen: Tensor, changed: Tensor, batch: Tensor) -> Tensor:
    """`changed` at the samples that the boolean `chosen` (N,) marks, `batch` elsewhere; both (N, ...), alike in shape.

    `chosen` is drawn on the CPU, so that a seed gives the same batch on every device, and goes to the batch's device.
    """
    chosen = chosen.to(batch.device, non_blocking=True)
    return torch.where(chosen.view(-1, *[1] * (batch.dim() - 1)), changed, batch)
