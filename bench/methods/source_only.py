"""Labelled source batches -> the segmentation loss and nothing else: the reference for every adaptation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

from bench.methods.method import Loss, Method

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


class SourceOnly(Method):
    """Minimises one loss on source images and labels; target images are never looked at."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def losses(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "segmentation", self.loss(model(batch.images), batch.labels)


def source_only(loss: Loss, num_classes: int) -> SourceOnly:
    """Train on labelled source images alone."""
    return SourceOnly(loss)
