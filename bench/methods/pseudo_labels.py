"""A network as it was at the last round -> labels for target images: the loop of CBST and IAST."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.methods.method import Loss, Method, Setting
from bench.methods.target import target_of
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


class Rounds(Method):
    """Trains on the source alone for the share `warm_up` of the run, then in rounds of the share `every`.

    A round begins with a copy of the network, the labeller, that stands until the next; `begin` is for what a method
    works out then, `choose` says which of the labeller's guesses are labels.
    """

    needs_target: ClassVar[bool] = True

    def __init__(self, loss: Loss, num_classes: int, *, warm_up: float, every: float) -> None:
        super().__init__(loss)
        self.num_classes, self.warm_up, self.every = num_classes, warm_up, every

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.setting = setting
        self.first = round(self.warm_up * setting.steps)
        self.length = max(1, round(self.every * setting.steps))
        self.labeller = copy.deepcopy(model).eval().requires_grad_(False)

    def labels(self, model: SegModel, batch: Batch) -> Tensor | None:
        """Labels int64 (N, h, w) of the target images, IGNORE where unsure; None before the first round."""
        if batch.step < self.first:
            return None
        if (batch.step - self.first) % self.length == 0:
            self.labeller.load_state_dict(model.state_dict())
            self.begin()
        confidence, guess = self.guesses(target_of(batch))
        chosen = torch.where(self.choose(confidence, guess), guess, IGNORE)
        self.watched = {"labelled": (chosen != IGNORE).float().mean()}
        return chosen

    @torch.no_grad()
    def guesses(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The labeller's probability of its best class, and that class, each (N, h, w) at the images' size."""
        logits = F.interpolate(self.labeller(images)["out"], images.shape[-2:], mode="bilinear", align_corners=False)
        confidence, guess = logits.softmax(1).max(1)
        return confidence, guess

    def begin(self) -> None:
        """At the start of a round."""
        return

    def choose(self, confidence: Tensor, guess: Tensor) -> Tensor:
        """Boolean (N, h, w): which guesses are labels."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {"labeller": self.labeller.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.labeller.load_state_dict(state["labeller"])
