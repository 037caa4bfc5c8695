"""Probabilities -> entropy, information maximisation, and how far class shares are from the source's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.selection.view import View


class Shares:
    """Entropy of each pixel and of the mean prediction, both in nats.

    `entropy` is the first, averaged over pixels (lower is surer, and a collapsed network is very sure); `infomax` the
    second minus the first, as in SHOT, arXiv 2002.08546; `prior_distance` the Jensen-Shannon divergence,
    in bits, of the mean prediction and `prior` (K,), the class counts of labelled source images.
    """

    def __init__(self, prior: Tensor) -> None:
        self.prior = prior.double() / prior.sum()  # nan where the source has no labelled pixel
        self.total = torch.zeros((), dtype=torch.float64, device=prior.device)
        self.mass = torch.zeros(len(prior), dtype=torch.float64, device=prior.device)
        self.pixels = 0

    def see(self, view: View) -> None:
        probabilities = view.log.exp()
        self.total -= (probabilities * view.log).sum(dtype=torch.float64)
        self.mass += probabilities.sum((0, 2, 3), dtype=torch.float64)
        self.pixels += view.log[:, 0].numel()

    def values(self) -> dict[str, Tensor]:
        mean = self.mass / self.pixels
        entropy = self.total / self.pixels
        distance = jensen_shannon(self.prior, mean)
        return {"entropy": entropy, "infomax": entropy_of(mean) - entropy, "prior_distance": distance}


def entropy_of(shares: Tensor) -> Tensor:
    """Shares (K,) -> their entropy in nats; nothing of a class adds nothing."""
    return -torch.xlogy(shares, shares).sum()


def jensen_shannon(one: Tensor, other: Tensor) -> Tensor:
    """Two distributions (K,) -> their divergence in bits: 0 when equal, 1 when they share no class."""
    middle = (one + other) / 2
    nats = entropy_of(middle) - (entropy_of(one) + entropy_of(other)) / 2
    return (nats / math.log(2)).clamp(min=0)
