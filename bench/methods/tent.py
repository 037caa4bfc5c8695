"""Adapting while predicting: normalisation by each batch's own statistics, alone or with entropy made small."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.methods.advent import self_information
from bench.methods.limits import above
from bench.methods.method import Loss, Method, Setting
from bench.methods.norms import batch_norms, normalise_by_batch
from bench.models.segmodel import SegModel

if TYPE_CHECKING:
    from collections.abc import Sequence


class ByBatches(Method):
    """Trains on source images alone; scored with the statistics of each batch in place of the running ones."""

    capturable: ClassVar[bool] = True
    sole: ClassVar[str] = "statistics of BN"

    def attach(self, model: SegModel, setting: Setting) -> None:
        batch_norms(model, "test_bn")

    def adapted(self, model: SegModel) -> SegModel:
        twin = copy.deepcopy(model)
        normalise_by_batch(twin)
        return twin.eval()


class Tent(Method):
    """Trains on source images alone; while it is scored, each batch moves the affine parameters of BN."""

    online: ClassVar[bool] = True
    capturable: ClassVar[bool] = True
    sole: ClassVar[str] = "statistics of BN"

    def __init__(self, loss: Loss, lr: float, episodic: bool) -> None:
        super().__init__(loss)
        self.lr, self.episodic = lr, episodic

    def attach(self, model: SegModel, setting: Setting) -> None:
        batch_norms(model, "tent")

    def adapted(self, model: SegModel) -> SegModel:
        return Adapting(model, lr=self.lr, episodic=self.episodic).eval()


class Adapting(SegModel):
    """A network whose every forward pass is followed by an update that lowers the entropy of what it said."""

    def __init__(self, model: SegModel, *, lr: float, episodic: bool) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.lr, self.episodic = lr, episodic
        affine = [p for norm in batch_norms(self.model, "tent") for p in (norm.weight, norm.bias) if p is not None]
        normalise_by_batch(self.model)
        self.affine = [parameter.requires_grad_(True) for parameter in affine]
        self.start = [parameter.detach().clone() for parameter in affine]
        self.optimizer = _adam(self.affine, lr)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        # Scoring runs in inference mode, whose tensors no graph can hold.
        with torch.inference_mode(False), torch.enable_grad():
            if self.episodic:
                self.reset()
            outputs = self.model(images.clone())
            self.optimizer.zero_grad()
            self_information(outputs["out"]).sum(1).mean().backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return {name: logits.detach() for name, logits in outputs.items()}

    def reset(self) -> None:
        """Back to the weights it came with."""
        with torch.no_grad():
            for parameter, start in zip(self.affine, self.start, strict=True):
                parameter.copy_(start)
        self.optimizer = _adam(self.affine, self.lr)


def _adam(parameters: Sequence[Tensor], lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=lr, betas=(0.9, 0.999))


def test_bn(loss: Loss, num_classes: int) -> ByBatches:
    """Test-time BN: each batch is normalised by its own statistics when the network is scored.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward; none beside the prediction.  Its result
    depends on the batch of scoring, which is 8 images of one domain in the dataset's order; one image alone goes by its
    own statistics too, and by the running ones only where it leaves a layer a single value for a channel.

    Source: the baseline `norm` of TENT, arXiv 2006.10726.  As in the paper.
    """
    return ByBatches(loss)


def tent(loss: Loss, num_classes: int, *, lr: float = 1e-3, episodic: bool = False) -> Tent:
    """TENT: while it predicts, the network lowers the entropy of its predictions through the affine parameters of BN.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward; while predicting 1 backward for each
    batch.  Each domain is predicted by a copy that starts from the trained weights, in the dataset's order; predictions
    are those before the update.  `episodic` starts anew for every batch.

    Source: TENT, arXiv 2006.10726, section 3.  Differs from the paper in: entropy is over ln K; batches are the 8
    images of scoring, where the paper has 200; dropout stays off.
    """
    return Tent(loss, above("lr", lr), episodic)
