"""Adapting while predicting: normalisation by each batch's own statistics, alone or with entropy made small."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.methods.advent import self_information
from bench.methods.limits import above
from bench.methods.method import Loss, Method, Setting
from bench.methods.norms import batch_norms
from bench.models.segmodel import SegModel

if TYPE_CHECKING:
    from torch.nn.modules.batchnorm import _BatchNorm


class TestBn(Method):
    """Trains on source images alone; scored with the statistics of each batch in place of the running ones."""

    __test__ = False  # no test, whatever its name begins with

    def attach(self, model: SegModel, setting: Setting) -> None:
        batch_norms(model, "test_bn")

    def adapted(self, model: SegModel) -> SegModel:
        twin = copy.deepcopy(model).eval()
        forget_statistics(batch_norms(twin, "test_bn"))
        return twin


class Tent(Method):
    """Trains on source images alone; while it is scored, each batch moves the affine parameters of BN."""

    online: ClassVar[bool] = True

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
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.lr, self.episodic = lr, episodic
        norms = batch_norms(self.model, "tent")
        forget_statistics(norms)
        self.affine = [p for norm in norms for p in (norm.weight, norm.bias) if p is not None]
        self.start = [p.detach().clone() for p in self.affine]
        self.optimizer = torch.optim.Adam(self.affine, lr=lr, betas=(0.9, 0.999))

    def __deepcopy__(self, memo: dict[int, object]) -> Adapting:
        """A copy with an optimizer of its own, over its own parameters."""
        return Adapting(self.model, lr=self.lr, episodic=self.episodic).eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        # Scoring runs in inference mode, whose tensors no graph can hold.
        with torch.inference_mode(False), torch.enable_grad():
            if self.episodic:
                self.reset()
            for parameter in self.affine:
                parameter.requires_grad_(True)
            outputs = self.model(images.clone())
            self.optimizer.zero_grad()
            entropy = self_information(outputs["out"]).sum(1).mean()
            entropy.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return {name: logits.detach() for name, logits in outputs.items()}

    def reset(self) -> None:
        """Back to the weights it came with."""
        with torch.no_grad():
            for parameter, start in zip(self.affine, self.start, strict=True):
                parameter.copy_(start)
        self.optimizer = torch.optim.Adam(self.affine, lr=self.lr, betas=(0.9, 0.999))


def forget_statistics(norms: list[_BatchNorm]) -> None:
    """Without running statistics BN takes those of the batch, in eval mode too."""
    for norm in norms:
        norm.track_running_stats = False
        norm.running_mean = norm.running_var = norm.num_batches_tracked = None


def test_bn(loss: Loss, num_classes: int) -> TestBn:
    """Test-time BN: each batch is normalised by its own statistics when the network is scored.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward; none beside the prediction.  Its result
    depends on the batch of scoring, which is 8 images of one domain in the dataset's order.

    Source: the baseline `norm` of TENT, arXiv 2006.10726.  As in the paper.
    """
    return TestBn(loss)


test_bn.__test__ = False  # type: ignore[attr-defined]


def tent(loss: Loss, num_classes: int, *, lr: float = 1e-3, episodic: bool = False) -> Tent:
    """TENT: while it predicts, the network lowers the entropy of its predictions through the affine parameters of BN.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward; while predicting 1 backward for each
    batch.  Each domain is predicted by a copy that starts from the trained weights, in the dataset's order; predictions
    are those before the update.  `episodic` starts anew for every batch.

    Source: TENT, arXiv 2006.10726, section 3.  Differs from the paper in: entropy is over ln K; batches are the 8
    images of scoring, where the paper has 200.
    """
    return Tent(loss, above("lr", lr), episodic)
