"""What Accelerate adds to a bare step; run in the peers' environment."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch.nn.functional as F
from accelerate import Accelerator
from step import Resident, compare, network, optimizer_of
from torch import nn


def loop(resident: Resident) -> nn.Module:
    accelerator = Accelerator(cpu=True)
    net = network()
    model, optimizer = accelerator.prepare(net, optimizer_of(net))
    for images, labels in resident:
        optimizer.zero_grad()
        accelerator.backward(F.cross_entropy(model(images), labels))
        optimizer.step()
    return net


if __name__ == "__main__":
    compare(accelerate=loop)
