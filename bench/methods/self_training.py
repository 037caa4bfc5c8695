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
from bench.methods.limits import fraction
from bench.methods.method import Loss, Method, Setting
from bench.methods.target import target_of
from bench.methods.teacher import Teacher
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

PixelWeight = Literal["share", "local"]
WINDOW = 3
"""Side of the window over which `pixel_weight: local` counts confident pixels."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of the whole family: the teacher's `alpha`, the confidence `threshold`, jitter strength and probability,
    how target pixels are weighted, and the temperature of class weights (0: none)."""

    alpha: float
    threshold: float
    jitter: float
    jitter_p: float
    blur_p: float
    pixel_weight: PixelWeight = "share"
    class_temperature: float = 0.0


class SelfTraining(Method):
    """Trains on source images and on target images over which half of a source image's classes are pasted.

    The teacher labels target images; how far it is believed is the share of its pixels that are confident.
    """

    needs_target: ClassVar[bool] = True

    def __init__(self, loss: Loss, num_classes: int, options: Options) -> None:
        super().__init__(loss)
        self.num_classes, self.options = num_classes, options
        strength = options.jitter
        self.colours = color_jitter(
            brightness=strength, contrast=strength, saturation=strength, hue=min(strength, 0.5), p=options.jitter_p
        )
        self.focus = blur(sigma=(0.15, 1.15), p=options.blur_p)

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.teacher = Teacher(model, self.options.alpha)
        self.class_weights = torch.ones(self.num_classes, device=setting.device)

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        target = target_of(batch)
        guess, trust = self.pseudo_labels(target)
        yield "mixed", self.mixed_loss(model, batch, target, guess, trust)

    def pseudo_labels(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Classes int64 (N, H, W) that the teacher sees, and how far each pixel is believed, float (N, H, W)."""
        confidence, guess = self.teacher.probabilities(target).max(1)
        sure = (confidence >= self.options.threshold).float()
        self.watched = {"confident": sure.mean()}
        if self.options.pixel_weight == "local":
            near = F.avg_pool2d(sure[:, None], WINDOW, 1, WINDOW // 2, count_include_pad=False)
            return guess, near[:, 0]
        return guess, sure.mean().expand_as(sure)

    def mixed_loss(self, model: SegModel, batch: Batch, target: Tensor, guess: Tensor, trust: Tensor) -> Tensor:
        """Weighted cross entropy on target images with source pixels over them, strongly augmented."""
        generator = batch.generator("self_training")
        scores = torch.rand(len(target), CODES, generator=generator, dtype=torch.float64)
        scores = scores.to(target.device, non_blocking=True)
        pasted = torch.stack([half_of_classes(label, row) for label, row in zip(batch.labels, scores, strict=True)])
        images = torch.where(pasted[:, None], batch.images, target)
        labels = torch.where(pasted, batch.labels, guess)
        weights = torch.where(pasted, torch.ones_like(trust), trust)
        images, _ = self.colours(images, labels, generator)
        images, _ = self.focus(images, labels, generator)
        return self.weighted(model(images), labels, weights)

    def weighted(self, outputs: dict[str, Tensor], labels: Tensor, weights: Tensor) -> Tensor:
        """Cross entropy of each pixel times its weight and its class's, over the number of labelled pixels."""
        if self.options.class_temperature > 0:
            weights = weights * self.of_classes(labels)
        labelled = (labels != IGNORE).sum().clamp(min=1)
        return (of_pixels(logits_for(outputs, "out", labels), labels) * weights).sum() / labelled

    @torch.no_grad()
    def of_classes(self, labels: Tensor) -> Tensor:
        """The weight of each pixel's class: nine parts what it was, one part softmax((1 - share) / T) x K of now."""
        counts = torch.zeros(CODES, device=labels.device).index_add_(
            0, labels.flatten(), torch.ones(labels.numel(), device=labels.device)
        )[: self.num_classes]
        shares = counts / counts.sum().clamp(min=1)
        now = ((1 - shares) / self.options.class_temperature).softmax(0) * self.num_classes
        self.class_weights.mul_(0.9).add_(now, alpha=0.1)
        every = F.pad(self.class_weights, (0, CODES - self.num_classes))
        return every[labels]

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

    Source: DAFormer, arXiv 2111.14887, section 3.3; rare-class sampling is `sampler: rare_class`, the learning rate's
    warm-up the scheduler's.  Differs from the paper in: BN statistics of the teacher move with its weights and it runs
    in eval mode; void is never pasted; no feature distance to an ImageNet copy, which needs classes of things.
    """
    options = Options(
        alpha=fraction("alpha", alpha),
        threshold=fraction("threshold", threshold),
        jitter=fraction("jitter", jitter),
        jitter_p=fraction("jitter_p", jitter_p),
        blur_p=fraction("blur_p", blur_p),
        pixel_weight=pixel_weight,
        class_temperature=class_temperature,
    )
    return SelfTraining(loss, num_classes, options)
