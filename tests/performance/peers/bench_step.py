"""What bench's own loop adds to a bare step; run with this project's Python."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.nn.functional as F
from step import LR, Resident, compare, network
from torch import Tensor, nn

from bench.batches import Batch, Timed
from bench.methods.source_only import source_only
from bench.models.segmodel import SegModel
from bench.optimizers.sgd import sgd
from bench.train import train


class Tiny(SegModel):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.net(images)}


def batches_of(resident: Resident) -> Iterator[Batch]:
    batch = Batch(resident.images, resident.labels)
    return (batch for _ in resident)


def loop(resident: Resident) -> nn.Module:
    """As a run calls it: waiting is timed, a rate is computed every step, losses are read every 50."""
    model = Tiny()
    optimizer = sgd([{"params": list(model.parameters())}], lr=LR)
    reports = train(
        model,
        source_only(lambda outputs, labels: F.cross_entropy(outputs["out"], labels), 7),
        (optimizer,),
        Timed(batches_of(resident)),
        steps=len(resident),
        lr_factor=lambda step: 1.0,
        pause=lambda step: step % 50 == 0,
        device=torch.device("cpu"),
    )
    for _ in reports:
        pass
    return model.net


if __name__ == "__main__":
    compare(bench=loop)
