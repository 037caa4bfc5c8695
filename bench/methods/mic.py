"""MIC: self-training, and the same labels for target images of which most is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss
from bench.methods.self_training import Options, SelfTraining
from bench.methods.target import target_of

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


class Mic(SelfTraining):
    """`SelfTraining` with one more loss, on masked target images."""

    contains: ClassVar[tuple[str, ...]] = ("self_training",)

    def __init__(
        self, loss: Loss, num_classes: int, options: Options, *, mask_px: int, mask_ratio: float, weight: float
    ) -> None:
        super().__init__(loss, num_classes, options)
        self.mask_px, self.mask_ratio, self.weight = mask_px, mask_ratio, weight

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        guess, trust = self.pseudo_labels(target_of(batch, sized=True))
        yield "mixed", self.mixed_loss(model, batch, guess, trust)
        yield "masked", self.weight * self.masked_loss(model, batch, guess, trust)

    def masked_loss(self, model: SegModel, batch: Batch, guess: Tensor, trust: Tensor) -> Tensor:
        """Weighted cross entropy on target images in other colours, blocks of them hidden."""
        generator = batch.generator("mic")
        images = self.augmented(target_of(batch), generator)
        images = images * blocks(images, self.mask_px, self.mask_ratio, generator)
        return self.weighted(model(images), guess, trust)


def blocks(images: Tensor, px: int, ratio: float, generator: torch.Generator) -> Tensor:
    """float (N, 1, H, W): 1 where `images` (N, 3, H, W) are seen, 0 in the share `ratio` of blocks of `px` pixels."""
    height, width = images.shape[-2:]
    cells = (max(1, round(height / px)), max(1, round(width / px)))
    kept = (torch.rand(len(images), 1, *cells, generator=generator) > ratio).float()
    return F.interpolate(kept.to(images.device, non_blocking=True), (height, width), mode="nearest")


def mic(
    loss: Loss,
    num_classes: int,
    *,
    mask_px: int = 64,
    mask_ratio: float = 0.7,
    mask_weight: float = 1.0,
    alpha: float = 0.999,
    threshold: float = 0.968,
    jitter: float = 0.2,
    jitter_p: float = 0.8,
    blur_p: float = 0.5,
    pixel_weight: Literal["share", "local"] = "share",
    class_temperature: float = 0.0,
) -> Mic:
    """MIC: DAFormer's self-training, and the teacher's labels again for target images that are mostly hidden.

    Networks: student and teacher.  Passes over full images per step: student 3 forward and 3 backward, teacher 1
    forward; one graph at a time.  Blocks are `mask_px` pixels a side, right for crops of 512 and more: choose about an
    eighth of a smaller crop.  `pixel_weight` and `class_temperature` are those of `self_training`.

    Source: MIC, arXiv 2212.01322, section 3.2, on the loop of DAFormer, arXiv 2111.14887.  Differs from the paper in:
    what `self_training` says of itself; no HRDA crops in two resolutions.
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
    return Mic(
        loss,
        num_classes,
        options,
        mask_px=int(at_least("mask_px", mask_px, 1)),
        mask_ratio=fraction("mask_ratio", mask_ratio),
        weight=at_least("mask_weight", mask_weight),
    )
