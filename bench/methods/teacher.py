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

    In the first updates alpha is 1 - 1 / (n + 1), so that early, poor weights are forgotten.  Running statistics of BN
    move with the weights (published code leaves them at their start, and then needs the teacher in training mode);
    counters are copied.  It stands in eval mode and never has a gradient.

    Source: mean teacher, arXiv 1703.01780, section 3; the ramp is that of DACS, arXiv 2007.08702, its code.
    """

    def __init__(self, model: SegModel, alpha: float) -> None:
        self.alpha, self.updates = alpha, 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, student: SegModel) -> None:
        """Move towards `student` after one of its updates."""
        self.updates += 1
        share = 1 - min(1 - 1 / (self.updates + 1), self.alpha)
        own, other = self.model.state_dict(), student.state_dict()
        moving = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[name] for name in moving], [other[name] for name in moving], share)
        for name in own.keys() - set(moving):
            own[name].copy_(other[name])

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """float (N, K, H, W) at the size of `images` (N, 3, H, W)."""
        logits = self.model(images)["out"]
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False).softmax(1)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])
