"""IAST: thresholds that follow each image and class, and regularisation inside and outside of the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bench.losses.cross_entropy import labelled_mean
from bench.losses.outputs import logits_for
from bench.methods.advent import self_information
from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss, Setting
from bench.methods.pseudo_labels import Rounds
from bench.methods.target import target_of
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

CAP = 0.999


class Iast(Rounds):
    """Cross entropy on chosen labels, their predictions held back from certainty, and low entropy elsewhere."""

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

    def attach(self, model: SegModel, setting: Setting) -> None:
        super().attach(model, setting)
        self.thresholds = torch.full((self.num_classes,), 0.9, device=setting.device)

    @torch.no_grad()
    def choose(self, confidence: Tensor, guess: Tensor) -> Tensor:
        chosen = []
        for sure, classes in zip(confidence, guess, strict=True):
            here = _percentiles(sure, classes, 1 - self.alpha * self.thresholds.pow(self.gamma))
            moved = self.beta * self.thresholds + (1 - self.beta) * here
            # A class that is not in this image has no threshold of its own here.
            self.thresholds.copy_(torch.where(here >= 0, moved, self.thresholds).clamp(max=CAP))
            chosen.append(sure >= self.thresholds[classes])
        return torch.stack(chosen)

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        labels = self.labels(model, batch)
        if labels is not None:
            logits = logits_for(model(target_of(batch)), "out", labels)
            log, known = logits.log_softmax(1), labels != IGNORE
            supervised, uniform, entropy = self.weights
            flat = _mean(-log.mean(1), known)
            unsure = _mean(self_information(logits).sum(1), ~known)
            yield "pseudo", supervised * labelled_mean(logits, labels) + uniform * flat + entropy * unsure

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "thresholds": self.thresholds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.thresholds.copy_(state["thresholds"])


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)


def _percentiles(confidence: Tensor, guess: Tensor, shares: Tensor) -> Tensor:
    """For each class k, the confidence that the share `shares[k]` of its pixels do not exceed; -1 for an absent class.

    Sorted once by class and confidence, so the host need not know which classes there are.
    """
    classes = len(shares)
    flat, codes = confidence.flatten(), guess.flatten()
    order = (codes.double() * 2 + flat).argsort()
    counts = torch.zeros(classes, dtype=torch.int64, device=codes.device).index_add_(0, codes, torch.ones_like(codes))
    first = counts.cumsum(0) - counts
    place = first + (shares.clamp(0, 1) * (counts - 1).clamp(min=0)).round().long()
    found = flat[order][place.clamp(max=len(flat) - 1)]
    return torch.where(counts > 0, found, -1.0)


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
    1 forward.  A class's threshold moves by 1 - `beta` towards the percentile 100 (1 - `alpha` w^`gamma`) of its
    confidences in each image, w being the threshold before.  `warm_up` and `every` are shares of the run: 8,000 and
    1,000 of 10,000 steps.

    Source: IAST, arXiv 2008.12197, sections 3.2 to 3.4, with the numbers in the code of LoveDA, arXiv 2110.08733.
    Differs from the paper in: labels are those that the copy gives each crop, not files; source labels stay in the
    loss; the uniform term is the cross entropy to the uniform distribution; entropy is over ln K; no adversarial
    warm-up.
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
