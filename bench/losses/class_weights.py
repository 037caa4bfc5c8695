"""Weights as the user gave them, or a rule and the labelled images' class counts -> one weight per class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from bench.losses.options import check_weight
from bench.spec import BenchError

Rule = Literal["median_frequency", "inverse", "log"]


class ClassWeights:
    """The option `name` of a loss: a weight for each class, or the rule that makes them of the labelled images."""

    def __init__(self, given: list[float] | Rule, name: str = "weights") -> None:
        self.name, self.rule = name, given if isinstance(given, str) else None
        self.values: list[float] | None = None
        if not isinstance(given, str):
            for value in given:
                check_weight(name, value)
            if not any(given):
                problem = f"{name} has no weight above 0"
                raise BenchError(problem, remedy="give one weight per class", key=f"loss.{name}")
            self.values = [float(value) for value in given]
        self.there: Tensor | None = None

    def fit(self, counts: Tensor) -> None:
        """Work out the weights of a rule from `counts` int64 (N, K), pixels of class k in labelled image n."""
        if self.rule is not None:
            self.values, self.there = RULES[self.rule](counts.double()).tolist(), None

    def of(self, logits: Tensor) -> Tensor:
        """The weights (K,) for logits (N, K, h, w), where those are and of their type.

        Raises BenchError where there is not one for each class, and for a rule that has not been told any counts.
        """
        if self.values is None:
            problem = f"{self.name} '{self.rule}' is worked out of class counts, and this split's are not known"
            raise BenchError(problem, remedy="write the weights out, one per class", key=f"loss.{self.name}")
        if len(self.values) != logits.shape[1]:
            problem = f"{self.name} has {len(self.values)} numbers, and there are {logits.shape[1]} classes"
            raise BenchError(problem, remedy="give one per class, in the dataset's order", key=f"loss.{self.name}")
        if self.there is None or self.there.device != logits.device or self.there.dtype != logits.dtype:
            self.there = torch.tensor(self.values, device=logits.device, dtype=logits.dtype)
        return self.there


def median_frequency(counts: Tensor) -> Tensor:
    """median(f) / f_k, where f_k is k's share of the labelled pixels of the images that show it, counts (N, K) -> (K,).

    The median is over classes that occur; one that does not weighs 0, as in every rule here: no pixel asks for it.
    Source: Eigen and Fergus 2015, arXiv 1411.4734, section 6.3.2.
    """
    shows = counts > 0
    around = (counts.sum(1, keepdim=True) * shows).sum(0)
    shares = counts.sum(0) / around.clamp(min=1)
    occurs = shows.any(0)
    if not occurs.any():
        return shares
    middle = shares[occurs].quantile(0.5)
    return torch.where(occurs, middle / shares.clamp(min=torch.finfo(shares.dtype).tiny), 0.0)


def inverse(counts: Tensor) -> Tensor:
    """1 / (K' s_k), where s_k is k's share of all labelled pixels and K' how many classes occur: 1 for a mean pixel."""
    shares = _shares(counts)
    occurs = shares > 0
    return torch.where(occurs, 1 / (occurs.sum() * shares), 0.0)


def log(counts: Tensor) -> Tensor:
    """1 / ln(1.02 + s_k), s_k as in `inverse`: at most 50.5.  Source: Paszke et al. 2016, arXiv 1606.02147 (ENet)."""
    shares = _shares(counts)
    return torch.where(shares > 0, 1 / (1.02 + shares).log(), 0.0)


def _shares(counts: Tensor) -> Tensor:
    """What part of all labelled pixels each class has, (N, K) -> (K,)."""
    return counts.sum(0) / counts.sum().clamp(min=1)


RULES: dict[str, Callable[[Tensor], Tensor]] = {"median_frequency": median_frequency, "inverse": inverse, "log": log}
