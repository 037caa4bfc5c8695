"""A network at work on target images -> how far the statistics of its BN layers are from those it learnt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Statistics:
    """`bn_gap`: the squared Hellinger distance of two normal distributions, averaged over channels, then over layers.

    One has the running mean and variance of a channel, the other those of the images that the network sees within
    `watching`.  0 when they are equal, 1 when they have nothing in common; no value for a network without running
    statistics.
    """

    def __init__(self, network: nn.Module) -> None:
        self.norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
        self.sums: dict[_BatchNorm, Tensor] = {}
        self.numbers: dict[_BatchNorm, int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take in what the layers are given while the block runs."""
        handles = [norm.register_forward_pre_hook(self._take) for norm in self.norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _take(self, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(norm, _BatchNorm)
        values = inputs[0].detach()
        others = [d for d in range(values.ndim) if d != 1]
        variance, mean = (part.double() for part in torch.var_mean(values.float(), others, correction=0))
        moments = len(values) * torch.stack([mean, variance + mean.square()])
        self.sums[norm] = self.sums.get(norm, torch.zeros_like(moments)) + moments
        self.numbers[norm] = self.numbers.get(norm, 0) + len(values)

    def values(self) -> dict[str, Tensor]:
        gaps = []
        for norm, sums in self.sums.items():
            mean, square = sums / self.numbers[norm]
            assert norm.running_mean is not None
            assert norm.running_var is not None
            own = norm.running_mean.double(), norm.running_var.double()
            gaps.append(hellinger(*own, mean, (square - mean.square()).clamp(min=0), norm.eps).mean())
        return {"bn_gap": torch.stack(gaps).mean()} if gaps else {}


def hellinger(mean: Tensor, variance: Tensor, other_mean: Tensor, other_variance: Tensor, eps: float) -> Tensor:
    """Squared Hellinger distance of normal distributions, each variance raised by `eps` as BN does."""
    one, two = variance + eps, other_variance + eps
    overlap = (2 * (one * two).sqrt() / (one + two)).sqrt()
    return 1 - overlap * (-(mean - other_mean).square() / (4 * (one + two))).exp()
