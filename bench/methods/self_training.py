"""Target images labelled by a teacher, mixed with source pixels: the self-training loop of DACS and DAFormer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.augment.blur import blur
from bench.augment.class_mix import CODES, half_of_classes
from bench.augment.color_jitter import color_jitter
from bench.losses.cross_entropy import of_pixels
from bench.losses.outputs import logits_for
from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss, Method, Setting
from bench.methods.target import target_of
from bench.methods.teacher import Teacher, predicted

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

PixelWeight = Literal["share", "local"]
WINDOW = 3
"""Side of the window over which `pixel_weight: local` counts confident pixels."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of the whole family: the teacher's `alpha`, the confidence `threshold`, jitter strength and probability,
    how target pixels are weighted, and the temperature of class weights (0: none).  Raises BenchError out of range."""

    alpha: float
    threshold: float
    jitter: float
    jitter_p: float
    blur_p: float
    pixel_weight: PixelWeight
    class_temperature: float

    def __post_init__(self) -> None:
        for key in ("alpha", "threshold", "jitter", "jitter_p", "blur_p"):
            fraction(key, getattr(self, key))
        at_least("class_temperature", self.class_temperature)


class SelfTraining(Method):
    """Trains on source images and on target images over which half of a source image's classes are pasted.

    The teacher labels target images; how far it is believed is the share of its pixels that are confident.
    """

    needs_target: ClassVar[bool] = True
    sole: ClassVar[str] = "pseudo-labels"

    def __init__(self, loss: Loss, num_classes: int, options: Options) -> None:
        super().__init__(loss)
        self.num_classes, self.options = num_classes, options
        jitter = options.jitter
        self.colours = color_jitter(
            brightness=jitter, contrast=jitter, saturation=jitter, hue=min(jitter, 0.5), p=options.jitter_p
        )
        self.focus = blur(sigma=(0.15, 1.15), p=options.blur_p)

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.teacher = Teacher(model, self.options.alpha)
        self.class_weights = torch.ones(self.num_classes, device=setting.device)

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        guess, trust = self.pseudo_labels(target_of(batch, sized=True))
        yield "mixed", self.mixed_loss(model, batch, guess, trust)

    def pseudo_labels(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Classes int64 (N, H, W) that the teacher sees, and how far each pixel is believed, float (N, H, W)."""
        confidence, guess = predicted(self.teacher.model, target).max(1)
        sure = (confidence >= self.options.threshold).float()
        self.watched = {"confident": sure.mean()}
        if self.options.pixel_weight == "local":
            near = F.avg_pool2d(sure[:, None], WINDOW, 1, WINDOW // 2, count_include_pad=False)
            return guess, near[:, 0]
        return guess, sure.mean().expand_as(sure)

    def mixed_loss(self, model: SegModel, batch: Batch, guess: Tensor, trust: Tensor) -> Tensor:
        """Weighted cross entropy on target images with source pixels over them, strongly augmented."""
        target, generator = target_of(batch), batch.generator("self_training")
        scores = torch.rand(len(target), CODES, generator=generator, dtype=torch.float64)
        scores = scores.to(target.device, non_blocking=True)
        pasted = torch.stack([half_of_classes(label, row) for label, row in zip(batch.labels, scores, strict=True)])
        images = torch.where(pasted[:, None], batch.images, target)
        labels = torch.where(pasted, batch.labels, guess)
        weights = torch.where(pasted, 1.0, trust)
        self.follow(labels)
        return self.weighted(model(self.augmented(images, generator)), labels, weights)

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """`images` in other colours and some out of focus; what they show stays in its place."""
        for transform in (self.colours, self.focus):
            images, _ = transform(images, images, generator)
        return images

    def weighted(self, outputs: dict[str, Tensor], labels: Tensor, weights: Tensor) -> Tensor:
        """Cross entropy of each pixel times its weight and its class's, mean over all pixels; none is IGNORE."""
        if self.options.class_temperature > 0:
            weights = weights * self.class_weights[labels]
        return (of_pixels(logits_for(outputs, "out", labels), labels) * weights).mean()

    @torch.no_grad()
    def follow(self, labels: Tensor) -> None:
        """Class weights become nine parts what they were and one part softmax((1 - share) / T) x K of `labels`."""
        if self.options.class_temperature > 0:
            codes = labels.flatten()
            counts = torch.zeros(self.num_classes, dtype=torch.int64, device=labels.device)
            shares = counts.index_add_(0, codes, torch.ones_like(codes)) / labels.numel()
            now = ((1 - shares) / self.options.class_temperature).softmax(0) * self.num_classes
            self.class_weights.mul_(0.9).add_(now, alpha=0.1)

    def after_step(self, model: SegModel) -> None:
        self.teacher.update(model)

    def state_dict(self) -> dict[str, Any]:
        return {"teacher": self.teacher.state_dict(), "class_weights": self.class_weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.teacher.load_state_dict(state["teacher"])
        self.class_weights.copy_(state["class_weights"])


def self_training(
    loss: Loss,
    num_classes: int,
    *,
    alpha: float = 0.999,
    threshold: float = 0.968,
    jitter: float = 0.2,
    jitter_p: float = 0.8,
    blur_p: float = 0.5,
    pixel_weight: Literal["share", "local"] = "share",
    class_temperature: float = 0.0,
) -> SelfTraining:
    """DAFormer's self-training: teacher labels on target images, ClassMix with source, strong augmentation.

    Networks: student and teacher.  Passes over full images per step: student 2 forward and 2 backward, teacher 1
    forward.  `pixel_weight: local` weighs a pixel by the share of confident ones in the 3 x 3 around it (LDQ) and
    `class_temperature` > 0 weighs classes by rarity (GCW), both of std277/semantic-segmentation-domain-adaptation.

    Source: DAFormer, arXiv 2111.14887, section 3.1; rare-class sampling is `sampler: rare_class`, the learning rate's
    warm-up the scheduler's.  Differs from the paper in: BN statistics of the teacher move with its weights and it runs
    in eval mode; void is never pasted; colours and blur are drawn for each image; auxiliary heads learn from the source
    alone; no feature distance to an ImageNet copy, which needs classes of things.
    """
    options = Options(
        alpha=alpha,
        threshold=threshold,
        jitter=jitter,
        jitter_p=jitter_p,
        blur_p=blur_p,
        pixel_weight=pixel_weight,
        class_temperature=class_temperature,
    )
    return SelfTraining(loss, num_classes, options)
