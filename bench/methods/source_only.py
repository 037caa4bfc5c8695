"""Labelled source batches -> the segmentation loss and nothing else: the reference for every adaptation."""

from __future__ import annotations

from typing import ClassVar

from bench.methods.method import Loss, Method


class SourceOnly(Method):
    """Minimises one loss on source images and labels; target images are never looked at."""

    capturable: ClassVar[bool] = True


def source_only(loss: Loss, num_classes: int) -> SourceOnly:
    """Train on labelled source images alone: the lower reference row."""
    return SourceOnly(loss)
