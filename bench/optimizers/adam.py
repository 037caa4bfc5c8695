"""Parameter groups -> Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.optimizers.groups import check, check_betas, fusible, prepared

if TYPE_CHECKING:
    from bench.optimizers import Groups


def adam(
    groups: Groups,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Adam: gradient steps divided by a running root mean square, with L2 weight decay.

    Source: Kingma and Ba 2014, arXiv 1412.6980.  Raises BenchError for numbers out of range and for groups that hold a
    parameter twice.
    """
    check("weight_decay", weight_decay)
    pair = check_betas(betas)
    ready = prepared(groups, lr)
    return torch.optim.Adam(ready, lr=lr, betas=pair, weight_decay=weight_decay, fused=fusible(ready) or None)
