"""A batch -> the same batch with square holes in some samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import amount, probability
from bench.augment.samples import uniforms
from bench.spec import IGNORE, BenchError

if TYPE_CHECKING:
    from bench.augment import Transform


def cutout(*, holes: int = 3, hole_px: int = 192, keep_labels: bool = False, p: float = 0.5) -> Transform:
    """Blanks `holes` squares of `hole_px` in each sample with probability `p`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  Holes lie inside the
    image, anywhere, and may overlap; they are 0 in images (the mean colour) and IGNORE in labels, or with
    `keep_labels` what the labels were, so that the network has to guess from the surroundings.  Raises BenchError for
    fewer than one hole or pixel, a `p` that is no probability and, at a batch, holes that span an image.

    Source: Cutout, arXiv 1708.04552, section 3; CoarseDropout of 3 holes of 384 px in tiles of 1024 px in
    std277/semantic-segmentation-domain-adaptation, here the same share of crops of 512 px.  Differs from the paper in:
    holes never reach beyond the border, so their size is as written.
    """
    amount("cutout", "holes", holes, 1)
    amount("cutout", "hole_px", hole_px, 1)
    probability("cutout", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        if hole_px >= min(height, width):
            raise BenchError(
                f"holes of {hole_px} px span crops of {width}x{height}",
                remedy=f"set `hole_px` below {min(height, width)}, about {max(1, min(height, width) * 3 // 8)}",
                key="augment.hole_px",
            )
        images, labels = images.clone(), labels if keep_labels else labels.clone()
        for i, (chance, *places) in enumerate(uniforms(generator, len(images), 1 + 2 * holes)):
            if chance >= p:
                continue
            for down, right in zip(places[::2], places[1::2], strict=True):
                top, left = int(down * (height - hole_px + 1)), int(right * (width - hole_px + 1))
                hole = (slice(top, top + hole_px), slice(left, left + hole_px))
                images[i, :, *hole] = 0
                if not keep_labels:
                    labels[i, *hole] = IGNORE
        return images, labels

    return transform
