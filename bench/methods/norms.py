"""A network -> its batch-normalisation layers, or a line that says it has none; the same by each batch's statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel


def batch_norms(model: SegModel, method: str) -> list[_BatchNorm]:
    """Every BN layer with running statistics; raises BenchError for a network without one."""
    found = [part for part in model.modules() if _keeps_statistics(part)]
    if not found:
        problem = f"{method} adapts batch normalisation, and this model has none"
        raise BenchError(problem, remedy="choose another method, or a model with BN", key="method")
    return found


def normalise_by_batch(model: SegModel) -> None:
    """Puts a `ByBatch` in the place of each BN layer of `model`."""
    for parent in list(model.modules()):
        for name, part in parent.named_children():
            if _keeps_statistics(part):
                setattr(parent, name, ByBatch(part))


class ByBatch(nn.Module):
    """A BN layer that goes by the statistics of the batch at hand, in eval mode too.

    A batch with one value for a channel, such as one image after global pooling, has no deviation: there the running
    statistics stay in use.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, images: Tensor) -> Tensor:
        norm, single = self.norm, images.numel() == images.shape[1]
        mean, variance = (norm.running_mean, norm.running_var) if single else (None, None)
        return F.batch_norm(images, mean, variance, norm.weight, norm.bias, not single, 0.0, norm.eps)


def _keeps_statistics(part: nn.Module) -> TypeGuard[_BatchNorm]:
    return isinstance(part, _BatchNorm) and part.running_mean is not None
