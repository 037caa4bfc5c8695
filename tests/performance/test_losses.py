"""Mining without a sort beside a full sort and beside plain cross entropy, at 6 x 7 x 512 x 512."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.ohem import ohem

REPEATS = 7
SHAPE, THRESHOLD, MIN_KEPT = (6, 7, 512, 512), 0.9, 131072


def by_sorting(logits: Tensor, labels: Tensor) -> Tensor:
    """The way it is usually written: a second softmax, then a sort of all labelled pixels."""
    valid = labels.flatten() != 255
    p = F.softmax(logits, 1).gather(1, labels.where(labels != 255, 0)[:, None]).flatten()[valid]
    values = F.cross_entropy(logits, labels, ignore_index=255, reduction="none").flatten()[valid]
    p, order = p.detach().sort()
    cut = max(p[min(MIN_KEPT, len(p) - 1)].item(), THRESHOLD)
    return values[order][p < cut].mean()


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sort": by_sorting,
    "ours": lambda logits, labels: ohem(threshold=THRESHOLD, min_kept=MIN_KEPT)({"out": logits}, labels),
    "plain": lambda logits, labels: F.cross_entropy(logits, labels, ignore_index=255),
}


def batch(trained: bool) -> tuple[Tensor, Tensor]:
    """Logits of a network that knows nothing yet, or nearly all: few of its pixels are hard."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(7, (SHAPE[0], *SHAPE[2:]), generator=draw)
    logits = 0.5 * torch.randn(SHAPE, generator=draw)
    if trained:
        margin = 9 + torch.randn(labels.shape, generator=draw)
        logits.scatter_add_(1, labels[:, None], margin[:, None])
    labels[torch.rand(labels.shape, generator=draw) < 0.1] = 255
    return logits.requires_grad_(), labels


def seconds(way: Callable[[Tensor, Tensor], Tensor], logits: Tensor, labels: Tensor) -> float:
    logits.grad = None
    start = time.perf_counter()
    way(logits, labels).backward()
    return time.perf_counter() - start


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.performance
@pytest.mark.parametrize("trained", [False, True])
def test_mining_beside_a_sort_and_beside_plain_cross_entropy(
    trained: bool, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logits, labels = batch(trained)
    found = {}
    for name in ("sort", "ours"):
        seconds(WAYS[name], logits, labels)
        found[name] = (WAYS[name](logits, labels).item(), logits.grad)
    assert found["ours"][0] == pytest.approx(found["sort"][0], rel=1e-6)
    assert torch.equal(found["ours"][1], found["sort"][1])

    rounds = [{name: seconds(way, logits, labels) for name, way in WAYS.items()} for _ in range(REPEATS)]
    faster = statistics.median(r["sort"] / r["ours"] for r in rounds)
    slower = statistics.median(r["ours"] / r["plain"] for r in rounds)
    ms = {name: 1e3 * statistics.median(r[name] for r in rounds) for name in WAYS}
    with capsys.disabled():
        print(
            f"\nohem, {'trained' if trained else 'untrained'}: {ms['ours']:.0f} ms; {faster:.2f} x as fast as a sort "
            f"({ms['sort']:.0f} ms), {slower:.2f} x plain cross entropy ({ms['plain']:.0f} ms)"
        )
