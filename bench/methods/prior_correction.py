"""Label shift: how often each class occurs in the target is estimated, and predictions are corrected by it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.methods.limits import fraction
from bench.methods.method import Loss, Method, Setting
from bench.models.segmodel import SegModel
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.methods.unlabelled import Unlabelled

BATCH, STRIDE = 8, 4
"""Target images a pass, and which pixels of the network's output are looked at: every fourth of every fourth row."""

RARE = 1e-6
"""A class that the source hardly has keeps its predictions: a ratio of nothing by nothing says nothing."""


class PriorCorrection(Method):
    """Trains on source images alone; what is scored multiplies each class by target share over source share."""

    needs_target: ClassVar[bool] = True
    target_batches: ClassVar[bool] = False

    def __init__(self, loss: Loss, num_classes: int, iterations: int, strength: float) -> None:
        super().__init__(loss)
        self.num_classes, self.iterations, self.strength = num_classes, iterations, strength

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.setting = setting

    def adapted(self, model: SegModel) -> SegModel:
        if self.setting.target is None:
            return model
        prior = torch.tensor(self.setting.source_shares, dtype=torch.float64)
        seen = probabilities(model, self.setting.target, self.setting.device)
        found = estimate(seen, prior, self.iterations)
        ratio = torch.where(prior > RARE, found.clamp(min=RARE) / prior.clamp(min=RARE), 1.0)
        return Corrected(model, (self.strength * ratio.log()).float().to(self.setting.device)).eval()


class Corrected(SegModel):
    """A network whose main logits have `offsets` (K,) added."""

    offsets: Tensor

    def __init__(self, model: SegModel, offsets: Tensor) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        self.register_buffer("offsets", offsets)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.model(images)
        return {**outputs, "out": outputs["out"] + self.offsets.view(1, -1, 1, 1)}


@torch.no_grad()
def probabilities(model: SegModel, images: Unlabelled, device: torch.device) -> Tensor:
    """Softmax of `model` in eval mode at a sample of the pixels of `images`, float (P, K) on the CPU."""
    training = model.training
    model.eval()
    parts = [
        model(batch)["out"][..., ::STRIDE, ::STRIDE].softmax(1).movedim(1, -1).flatten(0, -2).cpu()
        for batch in images.batches(BATCH, device)
    ]
    model.train(training)
    return torch.cat(parts)


def estimate(probabilities: Tensor, prior: Tensor, iterations: int) -> Tensor:
    """Class shares (K,) under which `probabilities` (P, K), learnt under shares `prior` (K,), are most likely.

    Each round weighs every pixel's probabilities by estimate over prior, makes them add up to 1 again and averages.

    Source: Saerens, Latinne and Decaestecker 2002, section 2.2.
    """
    seen, own = probabilities.double(), prior.clamp(min=RARE)
    found = own / own.sum()
    for _ in range(iterations):
        weighed = seen * (found / own)
        found = (weighed / weighed.sum(1, keepdim=True).clamp(min=1e-12)).mean(0)
    return found


def prior_correction(loss: Loss, num_classes: int, *, iterations: int = 50, strength: float = 1.0) -> PriorCorrection:
    """Class shares of the target are estimated from predictions alone, and predictions corrected by their change.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward, and one pass over the target's training
    images whenever it is scored.  `strength` is the share of the correction, in the logarithm.

    Source: Saerens, Latinne and Decaestecker 2002, Adjusting the outputs of a classifier to new a priori probabilities.
    Differs from the paper in: pixels of an image are taken as independent, and a sixteenth of them is looked at.
    """
    if not 1 <= iterations <= 10_000:
        raise BenchError(f"{iterations} is out of range", remedy="choose 1 to 10000", key="iterations")
    return PriorCorrection(loss, num_classes, iterations, fraction("strength", strength))
