"""AdaBN: after training, the statistics of normalisation are taken anew on target images."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import torch

from bench.methods.limits import at_least
from bench.methods.method import Loss, Method, Setting
from bench.methods.norms import batch_norms

if TYPE_CHECKING:
    from bench.methods.unlabelled import Unlabelled
    from bench.models.segmodel import SegModel


class AdaBn(Method):
    """Trains on source images alone; what is scored is a copy whose BN statistics are the target's."""

    needs_target: ClassVar[bool] = True
    target_batches: ClassVar[bool] = False
    capturable: ClassVar[bool] = True
    sole: ClassVar[str] = "statistics of BN"

    def __init__(self, loss: Loss, batch_size: int) -> None:
        super().__init__(loss)
        self.batch_size = batch_size

    def attach(self, model: SegModel, setting: Setting) -> None:
        batch_norms(model, "adabn")
        self.setting = setting

    def adapted(self, model: SegModel) -> SegModel:
        if self.setting.target is None:
            return model
        return with_statistics_of(model, self.setting.target, self.batch_size, self.setting.device)


@torch.no_grad()
def with_statistics_of(model: SegModel, images: Unlabelled, batch_size: int, device: torch.device) -> SegModel:
    """A copy of `model` in eval mode whose running means and variances are the average over batches of `images`.

    Weights stay, dropout is off; a batch counts by its number of images.
    """
    twin = copy.deepcopy(model).eval()
    norms = batch_norms(twin, "adabn")
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    seen = 0
    for batch in images.batches(batch_size, device):
        seen += len(batch)
        for norm in norms:
            norm.momentum = len(batch) / seen  # None, torch's plain average, makes the host wait for a counter
        twin(batch)
    return twin.eval()


def adabn(loss: Loss, num_classes: int, *, batch_size: int = 8) -> AdaBn:
    """AdaBN: after training on the source, BN means and variances are replaced by those of the target's images.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward, and one pass over the target's training
    images whenever it is scored.  Needs a model with BN.

    Source: AdaBN, arXiv 1603.04779, section 3.  Differs from the paper in: statistics are averaged over batches of
    `batch_size`, not computed over all images at once.
    """
    return AdaBn(loss, int(at_least("batch_size", batch_size, 1)))
