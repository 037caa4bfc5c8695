"""A network -> its batch-normalisation layers, or a line that says it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel


def batch_norms(model: SegModel | nn.Module, method: str) -> list[_BatchNorm]:
    """Every BN layer with running statistics; raises BenchError for a network without one."""
    found = [part for part in model.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]
    if not found:
        problem = f"{method} adapts batch normalisation, and this model has none"
        raise BenchError(problem, remedy="choose another method, or a model with BN", key="method")
    return found
