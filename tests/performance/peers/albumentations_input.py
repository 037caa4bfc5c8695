"""CPU seconds per image of reading, cropping, mirroring and normalising with OpenCV and Albumentations.

Run in the peers' environment with the crop's side; pairs of files come as JSON on standard input.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2
import numpy as np
import torch
from torch import Tensor

cv2.setNumThreads(1)
MEAN, STD, BATCH = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 6
Pairs = list[tuple[str, str]]


def opencv(pairs: Pairs, crop: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
    draw = np.random.default_rng(0)
    steps = [
        albumentations.RandomCrop(crop, crop),
        albumentations.HorizontalFlip(),
        albumentations.Normalize(MEAN, STD),
    ]
    change = albumentations.Compose(steps)

    def look(photo: str, mask: str) -> tuple[Tensor, Tensor]:
        image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
        made = change(image=image, mask=cv2.imread(mask, cv2.IMREAD_UNCHANGED))
        pixels = torch.from_numpy(np.ascontiguousarray(made["image"].transpose(2, 0, 1)))
        return pixels, torch.from_numpy(made["mask"]).long()

    while True:
        yield [look(*pairs[i]) for i in draw.permutation(len(pairs))[:BATCH]]


def us(way: Iterator[list[tuple[Tensor, Tensor]]], crop: int) -> float:
    """CPU microseconds of the next batch."""
    begin = time.process_time()
    several = next(way)
    images, labels = torch.stack([image for image, _ in several]), torch.stack([label for _, label in several])
    end = time.process_time()
    assert (images.shape, images.dtype) == ((BATCH, 3, crop, crop), torch.float32)
    assert (labels.shape, labels.dtype) == ((BATCH, crop, crop), torch.int64)
    return (end - begin) * 1e6


if __name__ == "__main__":
    torch.set_num_threads(1)
    side, given = int(sys.argv[1]), [(photo, mask) for photo, mask in json.load(sys.stdin)]
    way = opencv(given, side)
    us(way, side)
    print(statistics.median(us(way, side) for _ in range(5)) / 1e6 / BATCH)
