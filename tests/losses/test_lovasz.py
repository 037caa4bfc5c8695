"""The Lovasz-softmax loss against its definition by increasing sets, and against other people's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from every_loss import by_autograd
from torch import Tensor

from bench.losses import lovasz as module
from bench.losses.jaccard import jaccard
from bench.losses.lovasz import lovasz


def of_sets(errors: list[float], is_class: list[bool]) -> float:
    """The Lovasz extension of the Jaccard loss: its growth as pixels become wrong, the worst first, times their error.

    The Jaccard loss of a set of wrong pixels is its size over that of its union with the class.
    """
    wrong: set[int] = set()
    truth = {i for i, is_it in enumerate(is_class) if is_it}
    total, before = 0.0, 0.0
    for i in sorted(range(len(errors)), key=lambda i: -errors[i]):
        wrong.add(i)
        loss = len(wrong) / len(wrong | truth)
        total, before = total + errors[i] * (loss - before), loss
    return total


def by_definition(logits: Tensor, labels: Tensor, per_image: bool, classes: str) -> float:
    p = by_autograd(logits, labels.shape[-2:]).detach()
    means = []
    for rows in [[i] for i in range(len(p))] if per_image else [list(range(len(p)))]:
        of, inside = labels[rows].flatten(), labels[rows].flatten() != 255
        losses = []
        for k in range(p.shape[1]):
            is_class = (of == k)[inside]
            if classes == "all" or is_class.any():
                errors = (is_class.double() - p[rows, k].flatten()[inside]).abs()
                losses.append(of_sets(errors.tolist(), is_class.tolist()))
        if inside.any():
            means.append(sum(losses) / len(losses))
    return sum(means) / max(1, len(means))


CASES = [(False, "present"), (False, "all"), (True, "present"), (True, "all")]


def some_batch(make_batch: Callable, stride: int = 8) -> tuple[dict[str, Tensor], Tensor]:
    outputs, labels = make_batch(n=3, stride=stride)
    labels[0][labels[0] == 1] = 2
    labels[labels == 4] = 3
    labels[2] = 255
    return outputs, labels


@pytest.mark.parametrize(("per_image", "classes"), CASES)
@pytest.mark.parametrize("host", ["reads", "does not read"])
def test_it_is_its_definition(
    per_image: bool, classes: str, host: str, make_batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host == "does not read":
        monkeypatch.setattr(module, "readable", lambda values: False)
    for stride in (1, 8):
        outputs, labels = some_batch(make_batch, stride)
        value = lovasz(per_image=per_image, classes=classes)(outputs, labels).item()
        assert value == pytest.approx(by_definition(outputs["out"], labels, per_image, classes), rel=1e-9)


@pytest.mark.parametrize("fault", ["easiest first", "void in between"])
def test_that_comparison_sees_a_fault(fault: str, make_batch: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, labels = some_batch(make_batch)
    right = lovasz()(outputs, labels).item()
    if fault == "easiest first":
        real = module.descending
        monkeypatch.setattr(module, "descending", lambda values: real(-values))
    else:
        weigh = module.importance
        everywhere = lambda errors, is_class, valid: weigh(errors, is_class & valid, torch.ones_like(valid))  # noqa: E731
        monkeypatch.setattr(module, "importance", everywhere)
        monkeypatch.setattr(module, "IGNORE", 254)
    assert lovasz()(outputs, labels).item() != pytest.approx(right, rel=1e-3)


def test_of_hard_decisions_it_is_the_jaccard_loss(make_batch: Callable) -> None:
    outputs, labels = some_batch(make_batch, stride=1)
    hard = {"out": 1e4 * torch.nn.functional.one_hot(outputs["out"].argmax(1), 5).movedim(-1, 1).double()}
    assert lovasz()(hard, labels).item() == pytest.approx(jaccard()(hard, labels).item(), rel=1e-12)
    assert lovasz()(outputs, labels).item() != pytest.approx(jaccard()(outputs, labels).item(), rel=1e-3)


def test_smp_gives_the_same(make_batch: Callable) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch.losses")
    outputs, labels = make_batch(stride=1, dtype=torch.float32)  # theirs refuses float64
    for per_image in (False, True):
        theirs = smp.LovaszLoss("multiclass", per_image=per_image, ignore_index=255)
        want = theirs(outputs["out"], labels).item()
        assert lovasz(per_image=per_image)(outputs, labels).item() == pytest.approx(want, rel=1e-6)
