"""Milliseconds of CPU per image of each augmentation, on one thread, beside torchvision's where it has the same.

Batches are of six images of 3 x 512 x 512 with labels; p is 1, so that these are the costs of a sample that is changed.
Ours start and end with normalised images; torchvision's are spared that and get colours in [0, 1].

Seen on 2026-11-20 on two shared cores (load 4), torch 2.15: color_jitter 3.4 ms (torchvision 12.6), blur 1.9 (11.2),
scale 3.4 (7.6), rotate 5.9 (8.2), grid_distortion 3.5, copy_blob 4 a pair, all others under 3.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torchvision.transforms.v2 as peers
from torch import Tensor
from torchvision import tv_tensors

from bench import names
from bench.spec import Component

pytestmark = pytest.mark.performance

COUNT, SIDE, ROUNDS = 6, 512, 9
OPTIONS: dict[str, dict[str, Any]] = {"copy_blob": {"pairs": [[3, 0], [4, 1]]}, "rotate90": {}}
THEIRS: dict[str, Callable[[], Any]] = {
    "blur": lambda: peers.GaussianBlur(11, (0.15, 1.15)),
    "color_jitter": lambda: peers.ColorJitter(0.2, 0.2, 0.2, 0.1),
    "flip": lambda: peers.RandomHorizontalFlip(1.0),
    "grayscale": lambda: peers.RandomGrayscale(1.0),
    "rotate": lambda: peers.RandomRotation(15, peers.InterpolationMode.BILINEAR, fill=FILL),
    "scale": lambda: peers.RandomAffine(
        0, scale=(0.75, 1.25), interpolation=peers.InterpolationMode.BILINEAR, fill=FILL
    ),
}
FILL = {tv_tensors.Image: 0, tv_tensors.Mask: 255}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batch() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    patches = torch.randint(7, (COUNT, 16, 16), generator=draw).repeat_interleave(32, 1).repeat_interleave(32, 2)
    return torch.rand(COUNT, 3, SIDE, SIDE, generator=draw) * 4 - 2, patches


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds per image: what neighbours on the machine do is not in it."""
    begin = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - begin) / COUNT


@pytest.mark.parametrize("name", names.names("augment"))
def test_an_augmentation_beside_torchvisions(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = batch()
    options = OPTIONS.get(name, {}) | ({} if name == "rotate90" else {"p": 1.0})
    transform = names.build("augment", Component(name=name, options=options))
    theirs = THEIRS[name]() if name in THEIRS else None
    pixels = images.sub(-2).div_(4)  # what torchvision's colour changes want

    def per_sample() -> tuple[Tensor, Tensor]:
        assert theirs is not None
        pairs = [theirs(tv_tensors.Image(i), tv_tensors.Mask(t[None])) for i, t in zip(pixels, labels, strict=True)]
        return torch.stack([i for i, _ in pairs]), torch.stack([t for _, t in pairs])

    rounds = []
    for seed in range(ROUNDS + 1):
        ours = cpu_ms(lambda: transform(images, labels, torch.Generator().manual_seed(seed)))  # noqa: B023
        rounds.append((ours, cpu_ms(per_sample) if theirs else 0.0))
    ours, their = (statistics.median(column) for column in zip(*rounds[1:], strict=True))
    beside = f", torchvision {their:.2f} ms: {their / ours:.1f} x" if theirs else ""
    with capsys.disabled():
        print(f"\n{name}: {ours:.2f} ms of CPU per image{beside}; load {os.getloadavg()[0]:.1f}", end="")
    assert not theirs or ours < 3 * their
