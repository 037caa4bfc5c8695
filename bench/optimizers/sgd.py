"""Parameter groups -> stochastic gradient descent with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.optimizers.groups import check, fusible, prepared
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.optimizers import Groups


def sgd(
    groups: Groups,
    *,
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    nesterov: bool = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum and L2 weight decay.

    The defaults are PIDNet's on Cityscapes.  Raises BenchError for numbers out of range and for groups that hold a
    parameter twice.
    """
    check("momentum", momentum, below=1)
    check("weight_decay", weight_decay)
    if nesterov and momentum == 0:
        raise BenchError("nesterov needs momentum", remedy="set momentum above 0", key="optimizer.nesterov")
    ready = prepared(groups, lr)
    optimizer = torch.optim.SGD(
        ready, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, fused=fusible(ready) or None
    )
    if momentum > 0:
        # Where the first update is withheld (found_inf: usual in fp16), torch's fused kernel leaves momentum
        # uninitialised, then trains on whatever was in memory.  Starting at 0 gives the very same first update.
        for parameter in (parameter for group in ready for parameter in group["params"]):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter, requires_grad=False)
    return optimizer
