"""IAST: thresholds that follow each image and class, and regularisation inside and outside of the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.losses.cross_entropy import labelled_mean, mean_where
from bench.losses.outputs import logits_for
from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss
from bench.methods.pseudo_labels import Rounds
from bench.methods.target import target_of
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

CAP = 0.999


class Iast(Rounds):
    """Cross entropy on chosen labels, their predictions held back from certainty, and low entropy elsewhere."""

    START: ClassVar[float] = 0.9

    def __init__(
        self,
        loss: Loss,
        num_classes: int,
        *,
        alpha: float,
        beta: float,
        gamma: float,
        weights: tuple[float, float, float],
        warm_up: float,
        every: float,
    ) -> None:
        super().__init__(loss, num_classes, warm_up=warm_up, every=every)
        self.alpha, self.beta, self.gamma, self.weights = alpha, beta, gamma, weights

    def begin(self) -> None:
        self.thresholds.fill_(self.START)

    def choose(self, probabilities: Tensor) -> Tensor:
        confidence, guess = probabilities.max(1)
        chosen = []
        for sure, classes in zip(confidence, guess, strict=True):
            here = percentiles(sure, classes, self.thresholds, 1 - self.alpha * self.thresholds.pow(self.gamma))
            self.thresholds.lerp_(here, 1 - self.beta).clamp_(max=CAP)
            chosen.append(torch.where(sure >= self.thresholds[classes], classes, IGNORE))
        return torch.stack(chosen)

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        labels = self.labels(model, batch)
        if labels is not None:
            supervised, uniform, entropy = self.weights
            logits = logits_for(model(target_of(batch)), "out", labels)
            flat, unsure = regularisers(logits, labels != IGNORE)
            yield "pseudo", supervised * labelled_mean(logits, labels) + uniform * flat + entropy * unsure


def regularisers(logits: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy to the uniform distribution where `known` (N, H, W), entropy elsewhere, of logits (N, K, H, W).

    Each is a mean over pixels and, as in the published code, over classes too: a K-th of what the formulas say.
    """
    log = logits.log_softmax(1)
    return mean_where(-log.mean(1), known) / log.shape[1], mean_where(-(log.exp() * log).mean(1), ~known)


def percentiles(confidence: Tensor, guess: Tensor, thresholds: Tensor, shares: Tensor) -> Tensor:
    """For each class k, the confidence that the share `shares[k]` of its pixels do not exceed, interpolated.

    `confidence` and `guess` (H, W); a class's threshold (K,) is one of its confidences, and the only one of a class
    that is not there.  All are sorted at once, by class and confidence, so the host need not know how many each has.
    """
    every = torch.arange(len(thresholds), device=guess.device)
    codes = torch.cat([guess.flatten(), every])
    keys = (torch.cat([confidence.flatten(), thresholds]) + 2 * codes.double()).sort().values
    counts = torch.zeros_like(every).index_add_(0, codes, torch.ones_like(codes))
    place = counts.cumsum(0) - counts + shares * (counts - 1)
    below, above = keys[place.floor().long()], keys[place.ceil().long()]
    return (below + (above - below) * place.frac() - 2 * every).to(confidence.dtype)


def iast(
    loss: Loss,
    num_classes: int,
    *,
    alpha: float = 0.2,
    beta: float = 0.9,
    gamma: float = 8.0,
    weight: float = 0.5,
    uniform_weight: float = 0.1,
    entropy_weight: float = 3.0,
    warm_up: float = 0.8,
    every: float = 0.1,
) -> Iast:
    """IAST: self-training whose thresholds follow each image and class, with regularisation on both kinds of pixels.

    Networks: one and its copy of the last round.  Passes over full images per step: 2 forward and 2 backward, the copy
    1 forward.  A class's threshold starts each round at 0.9 and moves by 1 - `beta` towards the percentile
    100 (1 - `alpha` w^`gamma`) of its confidences in each image, w being the threshold before.  `warm_up` and `every`
    are shares of the run: 8,000 and 1,000 of 10,000 steps.

    Source: IAST, arXiv 2008.12197, section 3, with the numbers and means in the code of LoveDA, arXiv 2110.08733.
    Differs from the paper in: labels are those that the copy gives each crop, not files; source labels stay in the
    loss; no adversarial warm-up.
    """
    weights = (
        at_least("weight", weight),
        at_least("uniform_weight", uniform_weight),
        at_least("entropy_weight", entropy_weight),
    )
    return Iast(
        loss,
        num_classes,
        alpha=fraction("alpha", alpha),
        beta=fraction("beta", beta),
        gamma=at_least("gamma", gamma),
        weights=weights,
        warm_up=fraction("warm_up", warm_up),
        every=fraction("every", every),
    )
