"""What the schedule says -> the learning rate of every group, their ratios kept, and momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def set_lr(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Sets each group's "lr" to its own "initial_lr" times `factor`; host arithmetic only, a few microseconds."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


def has_momentum(optimizer: torch.optim.Optimizer) -> bool:
    """Whether every group of it goes by a momentum, or by a first beta, which is Adam's word for it."""
    return all(group.get("momentum", 0) > 0 or "betas" in group for group in optimizer.param_groups)


def set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Sets each group's momentum, or its first beta, to `value`."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (value, group["betas"][1])
        else:
            group["momentum"] = value
