"""Parameter groups -> AdamW."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.optimizers.groups import check, check_betas, fusible, prepared

if TYPE_CHECKING:
    from bench.optimizers import Groups


def adamw(
    groups: Groups,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """AdamW: Adam whose weight decay shrinks the weights themselves, apart from the gradient.

    Source: Loshchilov and Hutter 2017, arXiv 1711.05101.  Raises BenchError for numbers out of range and for
    groups that hold a parameter twice.
    """
    check("weight_decay", weight_decay)
    pair = check_betas(betas)
    ready = prepared(groups, lr)
    return torch.optim.AdamW(ready, lr=lr, betas=pair, weight_decay=weight_decay, fused=fusible(ready) or None)
