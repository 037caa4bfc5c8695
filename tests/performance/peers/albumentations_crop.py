"""What a batch costs with Albumentations beside one made in plain torch; run in the peers' environment."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for a newer version of itself otherwise

import albumentations
import cv2
import numpy as np
import torch
from crop import BATCH, CROP, MEAN, STD, Batches, compare
from torch import Tensor

cv2.setNumThreads(1)


def batches(images: Tensor, labels: Tensor) -> Batches:
    """Image by image, rows of pixels as it wants them, already decoded."""
    rows = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
    codes = labels.numpy()
    steps = [
        albumentations.RandomCrop(CROP, CROP),
        albumentations.HorizontalFlip(),
        albumentations.Normalize(MEAN, STD),
    ]
    change, draw = albumentations.Compose(steps), np.random.default_rng(0)
    while True:
        made = [change(image=rows[i], mask=codes[i]) for i in draw.permutation(len(rows))[:BATCH]]
        stacked = torch.from_numpy(np.stack([one["image"].transpose(2, 0, 1) for one in made]))
        yield stacked, torch.from_numpy(np.stack([one["mask"] for one in made])).long()


if __name__ == "__main__":
    compare(albumentations=batches)
