"""A student and its past -> a teacher: the exponential moving average of its weights and buffers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel


class Teacher:
    """Starts as a copy of the student; `update` moves it towards the student by 1 - alpha.

    In update n = 1, 2, ... alpha is at most 1 - 1 / (n + 1), so that early, poor weights are forgotten.  Running
    statistics of BN move with the weights (published code leaves them at their start, and then needs the teacher in
    training mode); counters are copied.  It stands in eval mode and never has a gradient.

    Source: mean teacher, arXiv 1703.01780, section 3; the ramp is that of the code of DAFormer, arXiv 2111.14887.
    """

    def __init__(self, model: SegModel, alpha: float) -> None:
        self.alpha, self.updates = alpha, 0
        self.model = frozen_copy(model)

    @torch.no_grad()
    def update(self, student: SegModel) -> None:
        """Move towards `student` after one of its updates."""
        self.updates += 1
        share = 1 - min(1 - 1 / (self.updates + 1), self.alpha)
        pairs = list(zip(_tensors(self.model), _tensors(student), strict=True))
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([own for own, _ in moving], [other for _, other in moving], share)
        for own, other in pairs:
            if not own.is_floating_point():
                own.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])


def frozen_copy(model: SegModel) -> SegModel:
    """`model` as it is now, in eval mode, without gradients."""
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def predicted(model: SegModel, images: Tensor) -> Tensor:
    """Softmax of the main logits of `model`, float (N, K, H, W) at the size of `images` (N, 3, H, W)."""
    logits = model(images)["out"]
    return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False).softmax(1)


def _tensors(model: SegModel) -> list[Tensor]:
    """Every parameter and buffer once, whatever else shares it."""
    return [*model.parameters(), *model.buffers()]
