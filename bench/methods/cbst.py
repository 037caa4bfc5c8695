"""CBST: of every class, the surest share of the target's pixels becomes labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.losses.cross_entropy import labelled_mean
from bench.losses.outputs import logits_for
from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss
from bench.methods.pseudo_labels import Rounds
from bench.methods.target import target_of
from bench.methods.teacher import predicted
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

BATCH, STRIDE = 8, 4
"""Target images a pass, and which pixels' confidences are looked at: every fourth of every fourth row."""


class Cbst(Rounds):
    """Cross entropy on labels whose confidence is within the top `portion` of their class over the whole target."""

    START: ClassVar[float] = 1.0

    def __init__(
        self, loss: Loss, num_classes: int, *, portion: float, weight: float, warm_up: float, every: float
    ) -> None:
        super().__init__(loss, num_classes, warm_up=warm_up, every=every)
        self.portion, self.weight = portion, weight

    def begin(self) -> None:
        if self.setting.target is None:
            return
        parts = []
        for images in self.setting.target.batches(BATCH, self.setting.device):
            confidence, guess = predicted(self.labeller, images)[..., ::STRIDE, ::STRIDE].max(1)
            # The only wait for the device, once a round: the confidences of a whole dataset do not belong there.
            parts.append((confidence.flatten().cpu(), guess.flatten().to(torch.uint8).cpu()))
        confidence, guess = (torch.cat(column) for column in zip(*parts, strict=True))
        self.thresholds.copy_(surest(confidence, guess, self.num_classes, self.portion))

    def choose(self, probabilities: Tensor) -> Tensor:
        relative, guess = (probabilities / self.thresholds.view(-1, 1, 1)).max(1)
        return torch.where(relative >= 1, guess, IGNORE)

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        labels = self.labels(model, batch)
        if labels is not None:
            yield "pseudo", self.weight * labelled_mean(logits_for(model(target_of(batch)), "out", labels), labels)


def surest(confidence: Tensor, guess: Tensor, num_classes: int, portion: float) -> Tensor:
    """For each class the confidence that the surest `portion` of its guesses reach; 1 where that is not one pixel."""
    thresholds = torch.ones(num_classes)
    for k in range(num_classes):
        own = confidence[guess == k]
        if count := int(portion * len(own)):
            thresholds[k] = own.topk(count).values[-1]
    return thresholds


def cbst(
    loss: Loss,
    num_classes: int,
    *,
    portion: float = 0.1,
    weight: float = 0.5,
    warm_up: float = 0.4,
    every: float = 0.1,
) -> Cbst:
    """CBST: rounds of self-training; of every class the surest tenth of its pixels in the target becomes labels.

    Networks: one and its copy of the last round.  Passes over full images per step: 2 forward and 2 backward, the copy
    1 forward, and one pass over the target's training images at each round.  A pixel's label is the class with the
    largest probability over threshold, if that is at least 1.  `warm_up` and `every` are shares of the run: 4,000 and
    1,000 of 10,000 steps.

    Source: CBST, arXiv 1810.07911, as in the code of LoveDA, arXiv 2110.08733.  Differs from the paper in: labels are
    those that the copy gives each crop, not files; the surest share stays one tenth; a sixteenth of the pixels is
    sorted; no spatial priors, no mining of rare classes.
    """
    return Cbst(
        loss,
        num_classes,
        portion=fraction("portion", portion),
        weight=at_least("weight", weight),
        warm_up=fraction("warm_up", warm_up),
        every=fraction("every", every),
    )
