"""A network as it was at the last round -> labels for target images: the loop of CBST and IAST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from bench.methods.method import Loss, Method, Setting
from bench.methods.target import target_of
from bench.methods.teacher import frozen_copy, predicted
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


class Rounds(Method):
    """Trains on the source alone for the share `warm_up` of the run, then in rounds of the share `every`.

    A round begins with a copy of the network, the labeller, that stands until the next.  `thresholds` (K,) are set in
    `begin` or moved in `choose`, which says what of the labeller's guesses is a label.
    """

    needs_target: ClassVar[bool] = True
    sole: ClassVar[str] = "pseudo-labels"

    START: ClassVar[float]
    """What a threshold is before the first round."""

    def __init__(self, loss: Loss, num_classes: int, *, warm_up: float, every: float) -> None:
        super().__init__(loss)
        self.num_classes, self.warm_up, self.every = num_classes, warm_up, every

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.setting = setting
        self.first = round(self.warm_up * setting.steps)
        self.length = max(1, round(self.every * setting.steps))
        self.labeller = frozen_copy(model)
        self.thresholds = torch.full((self.num_classes,), self.START, device=setting.device)

    def labels(self, model: SegModel, batch: Batch) -> Tensor | None:
        """Labels int64 (N, h, w) of the target images, IGNORE where unsure; None before the first round."""
        if batch.step < self.first:
            return None
        if batch.part == 0 and (batch.step - self.first) % self.length == 0:
            self.labeller.load_state_dict(model.state_dict())
            self.begin()
        chosen = self.choose(predicted(self.labeller, target_of(batch)))
        self.watched = {"labelled": (chosen != IGNORE).float().mean()}
        return chosen

    def begin(self) -> None:
        """At the start of a round, the labeller being the network of this moment."""
        raise NotImplementedError

    def choose(self, probabilities: Tensor) -> Tensor:
        """The labeller's probabilities (N, K, h, w) -> labels int64 (N, h, w), IGNORE where it is unsure."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {"labeller": self.labeller.state_dict(), "thresholds": self.thresholds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.labeller.load_state_dict(state["labeller"])
        self.thresholds.copy_(state["thresholds"])
