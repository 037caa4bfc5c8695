"""Mining without a sort against a plain full sort: same pixels, same value, same gradient."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses import ohem as module
from bench.losses.ohem import hard_pixels, largest, ohem, place


def by_sorting(logits: Tensor, labels: Tensor, threshold: float, min_kept: int) -> Tensor:
    """The definition, word for word: sort the true class's probabilities, cut, average what lies below."""
    valid = labels.flatten() != 255
    p = F.softmax(logits, 1).gather(1, labels.where(labels != 255, 0)[:, None]).flatten()[valid]
    values = F.cross_entropy(logits, labels, ignore_index=255, reduction="none").flatten()[valid]
    if not len(p):
        return logits.sum() * 0
    cut = max(p.sort().values[min(min_kept, len(p) - 1)].item(), threshold)
    kept = values[p < cut]
    return kept.mean() if len(kept) else logits.sum() * 0


CASES = list(itertools.product((0.0, 0.3, 0.7, 0.9, 1.0), (1, 7, 500, 1000, 1535, 1536, 10**6), (0.0, 0.3, 1.0)))


def disagreements(make_batch: Callable) -> int:
    """In how many cases value or gradient differ from those of the full sort."""
    wrong = 0
    for seed, (threshold, min_kept, void) in enumerate(CASES):
        outputs, labels = make_batch(seed, stride=1, void=void)
        logits = outputs["out"]
        value, want = (
            ohem(threshold=threshold, min_kept=min_kept)(outputs, labels),
            by_sorting(logits, labels, threshold, min_kept),
        )
        (grad,), (want_grad,) = torch.autograd.grad(value, logits), torch.autograd.grad(want, logits)
        same = torch.isclose(value, want, rtol=1e-12, atol=0) and torch.allclose(grad, want_grad, rtol=1e-9, atol=1e-18)
        wrong += not same
    return wrong


@pytest.mark.parametrize("host", ["reads", "does not read"])
def test_value_and_gradient_are_those_of_the_full_sort(
    host: str, make_batch: Callable, request: pytest.FixtureRequest
) -> None:
    if host == "does not read":
        request.getfixturevalue("as_on_a_gpu")
    assert disagreements(make_batch) == 0


def not_strict(values: Tensor, valid: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    bound = -torch.tensor(threshold, dtype=values.dtype).log()
    return valid & (values >= place(values, valid, min_kept).clamp(max=bound))


def one_early(values: Tensor, valid: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    return hard_pixels(values, valid, threshold=threshold, min_kept=max(min_kept - 1, 1))


def void_counts(values: Tensor, valid: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    return hard_pixels(values, torch.ones_like(valid), threshold=threshold, min_kept=min_kept)


def no_minimum(values: Tensor, valid: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    return valid & (torch.exp(-values) < threshold)


@pytest.mark.parametrize("wrong", [not_strict, one_early, void_counts, no_minimum])
def test_the_comparison_catches_each_near_miss(
    wrong: Callable, make_batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "hard_pixels", wrong)
    assert disagreements(make_batch) > 0


def test_float32_keeps_the_same_pixels_at_a_realistic_size(make_batch: Callable) -> None:
    outputs, labels = make_batch(size=(96, 96), n=3, stride=1, dtype=torch.float32)
    for min_kept in (500, 20000):
        value, want = ohem(min_kept=min_kept)(outputs, labels), by_sorting(outputs["out"], labels, 0.9, min_kept)
        (grad,), (want_grad,) = (torch.autograd.grad(v, outputs["out"]) for v in (value, want))
        assert value.item() == pytest.approx(want.item(), rel=1e-6)
        assert torch.allclose(grad, want_grad, rtol=1e-5, atol=1e-12)


def test_all_easy_pixels_leave_nothing_to_learn() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    easy = torch.zeros(1, 2, 4, 4)
    easy[:, 0] = 5.0
    easy.requires_grad_()
    value = ohem(min_kept=3)({"out": easy}, labels)  # all alike and above the threshold: none is below the cut
    value.backward()
    assert value.item() == 0
    assert easy.grad is not None
    assert not easy.grad.any()


def test_with_fewer_pixels_than_min_kept_only_the_easiest_is_left_out() -> None:
    values = torch.tensor([[[0.01, 0.02, 0.03, 0.0]]])
    valid = torch.tensor([[[True, True, True, False]]])
    assert hard_pixels(values, valid, threshold=0.9, min_kept=100).tolist() == [[[False, True, True, False]]]
    assert hard_pixels(values, valid, threshold=1.0, min_kept=100).tolist() == [[[True, True, True, False]]]


@pytest.mark.parametrize("k", [1, 2, 5, 30, 60])
def test_the_kth_largest_is_that_of_a_sort_either_way(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randint(10, (60,), generator=torch.Generator().manual_seed(k)).double()
    want = values.sort(descending=True).values[k - 1]
    assert largest(values, k) == want
    monkeypatch.setattr(module, "readable", lambda values: False)
    assert largest(values, k) == want


def test_the_short_cut_on_the_cpu_changes_nothing(make_batch: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, labels = make_batch(stride=1)
    values = F.cross_entropy(outputs["out"], labels, ignore_index=255, reduction="none")
    kept = [hard_pixels(values, labels != 255, threshold=0.5, min_kept=k) for k in range(1, 1536, 37)]
    monkeypatch.setattr(module, "readable", lambda values: False)
    again = [hard_pixels(values, labels != 255, threshold=0.5, min_kept=k) for k in range(1, 1536, 37)]
    assert all(torch.equal(a, b) for a, b in zip(kept, again, strict=True))
    sizes = {int(k.sum()) for k in kept}
    assert len(sizes) > 3  # both the threshold and the place decided somewhere
