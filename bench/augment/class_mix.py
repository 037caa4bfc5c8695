"""A batch -> the same batch with half of the classes of another sample in some samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import probability
from bench.augment.samples import other
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.augment import Transform

CODES = 256
"""Labels are 0..254 or IGNORE."""


def class_mix(*, p: float = 0.5) -> Transform:
    """Pastes all pixels of half of the classes of another sample over each sample, with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  Of n classes present,
    ceil(n / 2) are drawn; IGNORE neither counts nor is pasted.  Pixels and labels keep their places.  A batch of one
    stays as it is.  Raises BenchError for a `p` that is no probability.

    Source: ClassMix, arXiv 2007.07936, section 3.1.  Differs from the paper in: both samples are labelled ones of the
    batch (the mixing with a target is a method's), and void is no class (in common code it is one, and is pasted).
    """
    probability("class_mix", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if len(images) == 1:
            return images, labels
        draws = torch.rand(len(images), 2 + CODES, generator=generator, dtype=torch.float64)
        scores = draws[:, 2:].to(images.device, non_blocking=True)
        mixed, told = images.clone(), labels.clone()
        for i, (chance, partner) in enumerate(draws[:, :2].tolist()):
            if chance < p:
                j = other(partner, i, len(images))
                pasted = half_of_classes(labels[j], scores[i])
                mixed[i] = torch.where(pasted, images[j], images[i])
                told[i] = torch.where(pasted, labels[j], labels[i])
        return mixed, told

    return transform


def half_of_classes(label: Tensor, scores: Tensor) -> Tensor:
    """Boolean (H, W): where `label` (H, W) is one of the ceil(n / 2) of its n classes with the lowest `scores` (256,).

    Works without the host knowing which classes there are, so no device is waited for.
    """
    codes = label.flatten()
    present = torch.zeros(CODES, dtype=torch.bool, device=label.device).index_fill_(0, codes, True)
    present[IGNORE] = False
    order = torch.where(present, scores, 2.0).argsort()
    first = torch.arange(CODES, device=label.device) < (present.sum() + 1) // 2
    drawn = torch.zeros_like(present).index_copy_(0, order, first)
    return drawn.index_select(0, codes).view_as(label)
