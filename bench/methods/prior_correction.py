"""Label shift: how often each class occurs in the target is estimated, and predictions are corrected by it."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.methods.limits import fraction
from bench.methods.method import Loss, Method, Setting
from bench.models.segmodel import SegModel
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.methods.unlabelled import Unlabelled

BATCH, PIXELS = 8, 2**18
"""Target images a pass, and how many pixels of all outputs are looked at: more tell nothing new and fill the memory."""

RARE = 1e-6
"""A class with no more of the source keeps its predictions: what was never learnt cannot be reweighed."""


class PriorCorrection(Method):
    """Trains on source images alone; what is scored multiplies each class by target share over source share."""

    needs_target: ClassVar[bool] = True
    target_batches: ClassVar[bool] = False
    capturable: ClassVar[bool] = True

    def __init__(self, loss: Loss, iterations: int, strength: float) -> None:
        super().__init__(loss)
        self.iterations, self.strength = iterations, strength

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.setting = setting

    def adapted(self, model: SegModel) -> SegModel:
        if self.setting.target is None:
            return model
        twin = Corrected(model, torch.zeros(self.setting.num_classes, device=self.setting.device)).eval()
        prior = torch.tensor(self.setting.source_shares, dtype=torch.float64)
        change = ratios(sampled(twin, self.setting.target, self.setting.device), prior, self.iterations)
        twin.offsets.copy_(self.strength * change.clamp(min=RARE).log())
        return twin


class Corrected(SegModel):
    """A copy of a network whose main logits have `offsets` (K,) added."""

    offsets: Tensor

    def __init__(self, model: SegModel, offsets: Tensor) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        self.register_buffer("offsets", offsets)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.model(images)
        return {**outputs, "out": outputs["out"] + self.offsets.view(1, -1, 1, 1)}


@torch.no_grad()
def sampled(model: SegModel, images: Unlabelled, device: torch.device) -> Tensor:
    """Softmax of `model` at evenly spaced pixels of its outputs on `images`, float (P, K) on the CPU, P <= PIXELS."""
    parts = []
    for batch in images.batches(BATCH, device):
        logits = model(batch)["out"]
        height, width = logits.shape[-2:]
        stride = math.ceil(math.sqrt(len(images) * height * width / PIXELS))
        parts.append(logits[..., ::stride, ::stride].softmax(1).movedim(1, -1).flatten(0, -2).cpu())
    return torch.cat(parts)


def ratios(probabilities: Tensor, prior: Tensor, iterations: int) -> Tensor:
    """Target share over source share (K,), float64, by which `probabilities` (P, K) are most likely.

    They were learnt under the class shares `prior` (K,).  Each round weighs every pixel's probabilities by the ratios,
    makes them add up to 1 again, and averages: that is the next estimate of the target's shares.

    Source: Saerens, Latinne and Decaestecker 2002, section 2.2.
    """
    seen, known = probabilities.double(), prior > RARE
    found = torch.ones_like(prior)
    for _ in range(iterations):
        scale = (seen @ found).clamp(min=1e-12).reciprocal()
        shares = found * (scale @ seen) / len(seen)
        found = torch.where(known, shares / prior.clamp(min=RARE), 1.0)
    return found


def prior_correction(loss: Loss, num_classes: int, *, iterations: int = 50, strength: float = 1.0) -> PriorCorrection:
    """Prior correction: the target's class shares are estimated from predictions, which are corrected by the change.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward, and one pass over the target's training
    images whenever it is scored.  `strength` is the share of the correction, in the logarithm.  Source shares are those
    of the labelled images, whatever a `sampler` shows more often.

    Source: Saerens, Latinne and Decaestecker 2002, Adjusting the outputs of a classifier to new a priori probabilities.
    Differs from the paper in: pixels of an image are taken as independent, and about a quarter of a million is looked
    at; a class that the source does not have keeps its predictions.
    """
    if not 1 <= iterations <= 10_000:
        raise BenchError(f"{iterations} is out of range", remedy="choose 1 to 10000", key="iterations")
    return PriorCorrection(loss, iterations, fraction("strength", strength))
