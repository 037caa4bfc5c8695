"""All images and labels of one domain and split, as tensors; on the device when they fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

RESIDENT_SHARE = 0.4
"""A split moves to the device whole when it takes at most this share of the memory that is free there."""


@dataclass(frozen=True)
class Split:
    """All images and labels of one domain and split, in the dataset's order.

    `images` uint8 (N, 3, h, w); `labels` uint8 (N, H, W) in 0..K-1 or IGNORE, at the images' size or, for scoring, at
    the size the labels have on disk; `digest` is the dataset's; `counts` int64 (N, K) the pixels of each class in each
    label.  Tensors that are `mapped` lie in a file that all processes share: reading them costs no memory of one's own,
    and they must not be written to.  `host_labels` are the labels in host memory where `labels` are on a device.
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    digest: str
    counts: np.ndarray | None = None
    mapped: bool = False
    host_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def nbytes(self) -> int:
        return self.images.nbytes + self.labels.nbytes


def resident(split: Split, device: torch.device) -> Split:
    """`split` on `device` when it fits beside the training; otherwise, and on the CPU, as it is."""
    if device.type != "cuda" or split.nbytes > RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        return split
    images, labels = split.images.to(device), split.labels.to(device)
    return replace(split, images=images, labels=labels, mapped=False, host_labels=split.labels)
