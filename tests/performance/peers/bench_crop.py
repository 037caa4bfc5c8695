"""What a batch costs in bench beside one made in plain torch; run with this project's Python."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from crop import BATCH, CROP, Batches, compare
from torch import Tensor

from bench.augment.flip import flip
from bench.batches import training_batches
from bench.cache import Split


def batches(images: Tensor, labels: Tensor) -> Batches:
    split = Split(images, labels, tuple(map(str, range(len(images)))), "")
    cpu = torch.device("cpu")
    made = training_batches(split, batch_size=BATCH, seed=0, device=cpu, crop_px=(CROP, CROP), augment=(flip(),))
    return ((batch.images, batch.labels) for batch in made)


if __name__ == "__main__":
    compare(bench=batches)
