"""A teacher's class probabilities, and its features, on the labelled images -> a student that learns them too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.losses.cross_entropy import cross_entropy
from bench.methods.limits import above, at_least
from bench.methods.method import Loss, Method, Setting
from bench.methods.stage_maps import channels, listen, shared_stages
from bench.names.lineage import is_run
from bench.optimizers.adam import adam
from bench.spec import IGNORE, BenchError

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


class Distillation(Method):
    """The student learns labels and, on the same pass, what the teacher says of the same images.

    A teacher without weights of its own learns beside the student, by cross entropy in a pass of its own; one with
    weights stays as it is.  It is asked in eval mode and without gradients.
    """

    capturable: ClassVar[bool] = True
    sole: ClassVar[str] = "a teacher by distillation"

    def __init__(
        self,
        loss: Loss,
        teacher: str | dict[str, Any],
        weights: str | None,
        *,
        weight: float,
        temperature: float,
        feature_weight: float,
        feature_stages: tuple[str, ...] | None,
        lr: float,
    ) -> None:
        super().__init__(loss)
        self.named, self.weights, self.learns = teacher, weights, weights is None and not is_run(teacher)
        self.weight, self.temperature = weight, temperature
        self.feature_weight, self.feature_stages, self.lr = feature_weight, feature_stages, lr
        self.teach = cross_entropy()

    def attach(self, model: SegModel, setting: Setting) -> None:
        if setting.network is None:
            raise ValueError("this method needs a teacher, and the run builds none")
        self.teacher = setting.network(self.named, self.weights).eval().requires_grad_(self.learns)
        self.projections = nn.ModuleList()
        if self.feature_weight > 0:
            self.compare_features(model, setting.device)
        learning = [*(self.teacher.parameters() if self.learns else ()), *self.projections.parameters()]
        self.optimizers = (adam([{"params": learning}], lr=self.lr),) if learning else ()

    def compare_features(self, model: SegModel, device: torch.device) -> None:
        """Listen to both networks' stages, and learn 1 x 1 convolutions from the student's to the teacher's."""
        self.pairs = shared_stages(model, self.teacher, self.feature_stages)
        ours, theirs = zip(*self.pairs, strict=True)
        sizes = zip(channels(model, ours, device), channels(self.teacher, theirs, device), strict=True)
        self.projections = nn.ModuleList(nn.Conv2d(inside, outside, 1) for inside, outside in sizes).to(device)
        self.maps = listen(model, ours), listen(self.teacher, theirs)

    def beside(self, model: SegModel, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        self.teacher.autocast_dtype = model.autocast_dtype
        with torch.no_grad():
            said = self.teacher(batch.images)["out"]
        pixels = divergence(outputs["out"], said, batch.labels, self.temperature)
        self.watched = {"distillation": pixels.detach()}
        total = self.weight * pixels
        if self.feature_weight > 0:
            features = self.feature_loss(batch.labels)
            self.watched = {**self.watched, "features": features.detach()}
            total = total + self.feature_weight * features
        return total

    def feature_loss(self, labels: Tensor) -> Tensor:
        """Mean squared difference of projected maps and the teacher's where no void is; mean over stages."""
        apart = []
        for (ours, theirs), project in zip(self.pairs, self.projections, strict=True):
            mine = project(self.maps[0].pop(ours).float())
            other = _resized(self.maps[1].pop(theirs).detach().float(), mine.shape[-2:])
            apart.append(_mean_where((mine - other).square().mean(1), labels))
        return torch.stack(apart).mean()

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        if not self.learns:
            return
        self.teacher.train()
        outputs = self.teacher(batch.images)
        self.teacher.eval()
        if self.feature_weight > 0:
            self.maps[1].clear()  # they would keep this pass's graph
        yield "teacher", self.teach(outputs, batch.labels)

    def state_dict(self) -> dict[str, Any]:
        teacher = {"teacher": self.teacher.state_dict()} if self.learns else {}
        return {**teacher, "projections": self.projections.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.learns:
            self.teacher.load_state_dict(state["teacher"])
        self.projections.load_state_dict(state["projections"])


def divergence(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) over classes, mean over the pixels of `student` (N, K, h, w) that are no void.

    The teacher's logits (N, K, any, any) and `labels` (N, H, W) are brought to the student's size; 0 where all is void.
    """
    said = _resized(teacher.detach(), student.shape[-2:])
    target = (said / temperature).log_softmax(1)
    apart = target.exp() * (target - (student / temperature).log_softmax(1))
    return temperature**2 * _mean_where(apart.sum(1), labels)


def _resized(maps: Tensor, size: torch.Size) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def _mean_where(values: Tensor, labels: Tensor) -> Tensor:
    """Mean of `values` (N, h, w) over the places whose label, the nearest of (N, H, W), is no void; 0 where none is."""
    known = (labels != IGNORE).float()[:, None]
    kept = F.interpolate(known, values.shape[-2:], mode="nearest-exact")[:, 0]
    return (values * kept).sum() / kept.sum().clamp(min=1)


def distillation(
    loss: Loss,
    num_classes: int,
    *,
    teacher: str | dict[str, Any] = "unet_resnet34",
    teacher_weights: str | None = None,
    weight: float = 1.0,
    temperature: float = 1.0,
    feature_weight: float = 0.0,
    feature_stages: tuple[str, ...] | None = None,
    teacher_lr: float = 1e-3,
) -> Distillation:
    """Distillation: the model also learns the class probabilities of a larger network, its teacher.

    `teacher` is a model (`unet_resnet34`, `{name: ..., option: ...}`) that is trained beside the student by cross
    entropy with an Adam of its own, `teacher_lr` on the run's schedule; the same with `teacher_weights`, a file, or a
    finished run (`r-...`), that stays as it is.  `feature_weight` > 0 adds the mean squared difference between the
    student's maps, through a 1 x 1 convolution that learns with `teacher_lr`, and the teacher's, at `feature_stages`:
    the last stage that both call alike unless given.

    Networks: student and teacher.  Passes over full images per step: student 1 forward and 1 backward; teacher 1
    forward, and where it learns 2 and 1 backward.

    Source: arXiv 1503.02531, section 2 (temperature, T^2); in segmentation arXiv 1903.04197, section 3.2 (pixels).
    Differs from the paper in: void is left out; pixels are those of the student's logits; the teacher is asked in eval
    mode even while it learns.  Raises BenchError for numbers out of range.
    """
    if teacher_weights is not None and is_run(teacher):
        problem = f"{teacher} is a run, which has weights of its own"
        raise BenchError(problem, remedy="leave `teacher_weights` out", key="method.teacher_weights")
    return Distillation(
        loss,
        teacher,
        teacher_weights,
        weight=at_least("weight", weight),
        temperature=above("temperature", temperature),
        feature_weight=at_least("feature_weight", feature_weight),
        feature_stages=feature_stages or None,
        lr=above("teacher_lr", teacher_lr),
    )
