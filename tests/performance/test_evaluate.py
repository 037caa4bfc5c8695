"""Confusion counts against torchmetrics: same logits, same labels, one thread, in turns; the median of the ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.profiler import ProfilerActivity, profile

from bench.evaluate.counting import confusion_update
from bench.spec import IGNORE

pytestmark = pytest.mark.performance
ROUNDS = 9


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def times_faster(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """Median over interleaved rounds of theirs / ours, one round of each left out as warm-up."""
    ratios = []
    for _ in range(ROUNDS + 1):
        first = seconds(theirs)
        ratios.append(first / seconds(ours))
    return statistics.median(ratios[1:])


def case(k: int, images: int, side: int, label_side: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, k, (images, label_side, label_side), generator=g).to(torch.uint8)
    labels[torch.rand(labels.shape, generator=g) < 0.05] = IGNORE
    return torch.randn(images, k, side, side, generator=g), labels


def torchmetrics_counts(k: int) -> Callable[[Tensor, Tensor], Tensor]:
    classification = pytest.importorskip("torchmetrics.classification")
    metric = classification.MulticlassConfusionMatrix(k, ignore_index=IGNORE)
    return lambda logits, labels: metric(logits, labels)


def peak_bytes(work: Callable[[], object]) -> int:
    """Most memory in use at a time beyond what there was, by the allocator's own events."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    now = peak = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


@pytest.mark.parametrize(("k", "images", "goal"), [(7, 6, 10), (11, 6, 10), (19, 6, 6), (150, 1, 3)])
def test_from_logits_at_label_size(k: int, images: int, goal: float, capsys: pytest.CaptureFixture[str]) -> None:
    (logits, labels), theirs = case(k, images, 512, 512), torchmetrics_counts(k)
    long = labels.long()  # not charged to torchmetrics

    def ours(*leading: int) -> Tensor:
        return confusion_update(torch.zeros(*leading, k, k, dtype=torch.int64), logits, labels)

    assert torch.equal(ours(), theirs(logits, long))
    assert torch.equal(ours(images).sum(0), ours())
    ratio = times_faster(ours, lambda: theirs(logits, long))
    apart = times_faster(lambda: ours(images), ours)
    with capsys.disabled():
        print(f"\n{images}x{k}x512x512: {ratio:.1f} x torchmetrics, per image {1 / apart:.2f} x the cost of the sum")
    assert ratio >= goal
    assert apart >= 0.6


def test_from_logits_of_an_eighth(capsys: pytest.CaptureFixture[str]) -> None:
    (logits, labels), theirs = case(7, 6, 128, 1024), torchmetrics_counts(7)
    long = labels.long()

    def ours() -> Tensor:
        return confusion_update(torch.zeros(7, 7, dtype=torch.int64), logits, labels)

    def usual() -> Tensor:
        return theirs(interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=False), long)

    moved = (ours() - usual()).abs().sum().item()
    ratio, memory = times_faster(ours, usual), peak_bytes(usual) / peak_bytes(ours)
    with capsys.disabled():
        print(
            f"\n6x7x128x128 -> 1024x1024: {ratio:.1f} x faster, {memory:.0f} x less memory, {moved // 2} pixels moved"
        )
    assert moved <= 6  # ties within rounding; each pixel leaves one bin and enters another
    assert ratio >= 12
    assert memory >= 50
