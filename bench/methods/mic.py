"""MIC: self-training, and the same labels for target images of which most is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss
from bench.methods.self_training import Options, SelfTraining
from bench.methods.target import target_of
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

PAPER_PX = 64


class Mic(SelfTraining):
    """`SelfTraining` with one more loss, on masked target images."""

    contains: ClassVar[tuple[str, ...]] = ("self_training",)

    def __init__(
        self, loss: Loss, num_classes: int, options: Options, *, mask_px: int | None, mask_ratio: float, weight: float
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
        images = images * blocks(images, block_px(images.shape[-2:], self.mask_px), self.mask_ratio, generator)
        return self.weighted(model(images), guess, trust)


def block_px(size: Sequence[int], asked: int | None) -> int:
    """The side of a block in images of `size` (H, W): as asked for, or PAPER_PX and no more than an eighth of a side.

    Raises BenchError where one block would cover an image: statistics of a batch that shows nothing have no spread, and
    gradients through BN grow without end.
    """
    side = min(size)
    px = min(PAPER_PX, max(1, side // 8)) if asked is None else asked
    if round(side / px) < 2:
        problem = f"blocks of {px} pixels hide images of {side} pixels whole"
        raise BenchError(problem, remedy="lower `mask_px`, or leave it out", key="mask_px")
    return px


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
    mask_px: int | None = None,
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
    forward; one graph at a time.  Blocks are `mask_px` pixels a side: 64 unless given, as in the paper, and an eighth
    of the shorter side of images below 512.  `pixel_weight` and `class_temperature` are those of `self_training`.

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
        mask_px=None if mask_px is None else int(at_least("mask_px", mask_px, 1)),
        mask_ratio=fraction("mask_ratio", mask_ratio),
        weight=at_least("mask_weight", mask_weight),
    )
