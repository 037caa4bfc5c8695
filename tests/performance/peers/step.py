"""The step that every contestant makes, the bare loop it is held against, and the one clock both are read with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import interleaved
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WARM, STEPS, LR = 10, 100, 0.01


def network() -> nn.Sequential:
    """Three layers: the step is so short that what a framework adds to it shows."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 7, 1))


def optimizer_of(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, weight_decay=5e-4, fused=True)


class Resident:
    """One batch in memory, given out WARM + STEPS + 1 times; `us` is the mean CPU time of the STEPS steps in between.

    Everybody is read here, where a batch is asked for: what a loop does once, before its first step or after its last,
    is not charged to it.
    """

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.images = torch.randn(2, 3, 16, 16, generator=draw)
        self.labels = torch.randint(7, (2, 16, 16), generator=draw)
        self.us = 0.0

    def __len__(self) -> int:
        return WARM + STEPS + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        begin = 0.0
        for step in range(len(self)):
            if step == WARM:
                begin = time.process_time()
            if step == WARM + STEPS:
                self.us = (time.process_time() - begin) / STEPS * 1e6
            yield self.images, self.labels


Loop = Callable[[Resident], nn.Module]


def bare(batches: Resident) -> nn.Module:
    """The loop without any framework: no report, no schedule, no guard."""
    net = network()
    optimizer = optimizer_of(net)
    for images, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
    return net


def compare(**loops: Loop) -> None:
    """Print what a step of each loop costs beside a bare one; each must end with the bare loop's very weights."""
    weights = list(bare(Resident()).parameters())

    def us(loop: Loop) -> float:
        batches = Resident()
        assert all(map(torch.equal, weights, loop(batches).parameters())), "these are not the steps of the bare loop"
        return batches.us

    interleaved.compare(lambda: us(bare), **{name: lambda loop=loop: us(loop) for name, loop in loops.items()})
