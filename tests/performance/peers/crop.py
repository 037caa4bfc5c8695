"""The batch that every contestant makes of decoded images, and the bare way of making it: crop, mirror, normalise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import interleaved
import torch
from torch import Tensor

IMAGES, SIDE, CROP, BATCH = 12, 1024, 512, 6
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Batches = Iterator[tuple[Tensor, Tensor]]


def pixels() -> tuple[Tensor, Tensor]:
    """uint8 images (N, 3, SIDE, SIDE) and labels (N, SIDE, SIDE), as if decoded."""
    draw = torch.Generator().manual_seed(0)
    shape = (IMAGES, 3, SIDE, SIDE)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=draw)
    return images, torch.randint(7, (IMAGES, SIDE, SIDE), dtype=torch.uint8, generator=draw)


def bare(images: Tensor, labels: Tensor) -> Batches:
    """Image by image in plain torch, as anybody would write it."""
    draw = torch.Generator().manual_seed(0)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    while True:
        parts = []
        for i in torch.randperm(IMAGES, generator=draw)[:BATCH].tolist():
            y, x = torch.randint(SIDE - CROP + 1, (2,), generator=draw).tolist()
            part = images[i, :, y : y + CROP, x : x + CROP], labels[i, y : y + CROP, x : x + CROP]
            if torch.rand((), generator=draw) < 0.5:
                part = part[0].flip(-1), part[1].flip(-1)
            parts.append(((part[0] / 255 - mean) / std, part[1].long()))
        yield torch.stack([image for image, _ in parts]), torch.stack([label for _, label in parts])


def us(batches: Batches) -> float:
    """CPU microseconds of the next batch."""
    begin = time.process_time()
    images, labels = next(batches)
    end = time.process_time()
    assert (images.shape, images.dtype) == ((BATCH, 3, CROP, CROP), torch.float32)
    assert (labels.shape, labels.dtype) == ((BATCH, CROP, CROP), torch.int64)
    return (end - begin) * 1e6


def compare(**ways: Callable[[Tensor, Tensor], Batches]) -> None:
    """Print what a batch costs in each way beside the bare one."""
    data = pixels()
    makers = {name: way(*data) for name, way in {"bare": bare, **ways}.items()}
    for batches in makers.values():
        us(batches)
    interleaved.compare(**{name: lambda batches=batches: us(batches) for name, batches in makers.items()})
