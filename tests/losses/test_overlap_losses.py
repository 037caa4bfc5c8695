"""Dice, Jaccard and Tversky against formulas over one-hot labels, each other, and other people's."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from every_loss import by_autograd
from torch import Tensor

from bench.losses import overlap
from bench.losses.dice import dice
from bench.losses.jaccard import jaccard
from bench.losses.overlap import class_sums
from bench.losses.tversky import tversky


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype = torch.float64) -> Tensor:
    void = labels == 255
    return (F.one_hot(labels.masked_fill(void, 0), classes).movedim(-1, 1) * ~void[:, None]).to(dtype)


def by_one_hot(
    logits: Tensor,
    labels: Tensor,
    fp_weight: float,
    fn_weight: float,
    *,
    smooth: float = 0.0,
    squared: bool = False,
    per_image: bool = False,
    classes: str = "present",
) -> Tensor:
    """The definition: of each group of pixels, then of each class, then the mean."""
    p = by_autograd(logits, labels.shape[-2:]) * (labels != 255)[:, None]
    t = one_hot(labels, logits.shape[1])
    losses = []
    for rows in [[i] for i in range(len(p))] if per_image else [list(range(len(p)))]:
        if not t[rows].any():
            continue
        for k in range(p.shape[1]):
            q, u = p[rows, k], t[rows, k]
            if classes == "present" and not u.any():
                continue
            hit, size = (q * u).sum(), (q**2 if squared else q).sum()
            losses.append(1 - (hit + smooth) / (hit + fp_weight * (size - hit) + fn_weight * (u.sum() - hit) + smooth))
    return torch.stack(losses).mean() if losses else logits.sum() * 0


CASES = list(itertools.product((0.0, 2.0), (False, True), ("present", "all"), (1, 8)))


@pytest.mark.parametrize(("smooth", "per_image", "classes", "stride"), CASES)
def test_they_are_their_formulas(
    smooth: float, per_image: bool, classes: str, stride: int, make_batch: Callable
) -> None:
    outputs, labels = make_batch(n=3, stride=stride, size=(40, 24), void=0.3)
    labels[0][labels[0] == 1] = 2  # a class missing from an image, one from all, and an image without labels
    labels[labels == 4] = 3
    labels[2] = 255
    logits, options = outputs["out"], {"smooth": smooth, "per_image": per_image, "classes": classes}
    pairs = [
        (dice(**options), (0.5, 0.5), {**options, "smooth": smooth / 2}),
        (dice(**options, squared=True), (0.5, 0.5), {**options, "smooth": smooth / 2, "squared": True}),
        (jaccard(**options), (1.0, 1.0), options),
        (tversky(**options), (0.3, 0.7), options),
        (tversky(**options, fp_weight=1.0, fn_weight=0.0), (1.0, 0.0), options),
    ]
    for loss, weights, told in pairs:
        value, want = loss(outputs, labels), by_one_hot(logits, labels, *weights, **told)
        assert value.item() == pytest.approx(want.item(), rel=1e-10)
        (grad,), (wanted,) = (torch.autograd.grad(v, logits) for v in (value, want))
        assert torch.allclose(grad, wanted, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("fault", ["void counted", "classes mixed up"])
def test_that_comparison_sees_a_fault(fault: str, make_batch: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, labels = make_batch()
    want = by_one_hot(outputs["out"], labels, 0.5, 0.5).item()
    assert dice()(outputs, labels).item() == pytest.approx(want, rel=1e-10)
    if fault == "void counted":
        monkeypatch.setattr(overlap, "IGNORE", 254)
    else:
        real = torch.arange
        monkeypatch.setattr(overlap.torch, "arange", lambda n, **k: real(n, **k).flip(0))
    assert dice()(outputs, labels).item() != pytest.approx(want, rel=1e-3)


def test_tversky_is_dice_at_a_half_and_jaccard_at_one(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    found = {w: tversky(fp_weight=w, fn_weight=w)(outputs, labels).item() for w in (0.5, 1.0)}
    assert found == pytest.approx({0.5: dice()(outputs, labels).item(), 1.0: jaccard()(outputs, labels).item()})
    assert found[0.5] < found[1.0]
    missing = tversky(fp_weight=0.1, fn_weight=0.9)(outputs, labels).item()
    assert missing != pytest.approx(tversky(fp_weight=0.9, fn_weight=0.1)(outputs, labels).item(), rel=1e-3)


def test_the_v_net_form_of_another_system_is_a_choice_of_options(make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1, void=0.0)
    p, t = outputs["out"].softmax(1), one_hot(labels, 5)
    theirs = 1 - ((2 * (p * t).sum((2, 3)) + 1e-5) / ((p**2).sum((2, 3)) + t.sum((2, 3)) + 1e-5)).mean()
    ours = dice(smooth=1e-5, squared=True, per_image=True, classes="all")(outputs, labels)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)


def test_of_hard_decisions_jaccard_is_one_minus_miou(make_batch: Callable) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    outputs, labels = make_batch(stride=1)
    winners = outputs["out"].argmax(1)
    hard = {"out": 1e4 * one_hot(winners, 5)}
    iou = functional.multiclass_jaccard_index(winners, labels, 5, average="none", ignore_index=255)
    assert jaccard()(hard, labels).item() == pytest.approx(1 - iou.double().mean().item(), rel=1e-6)
    f1 = functional.multiclass_f1_score(
        winners.flatten()[labels.flatten() != 255], labels[labels != 255], 5, average="none"
    )
    assert dice()(hard, labels).item() == pytest.approx(1 - f1.double().mean().item(), rel=1e-6)


def test_smp_gives_the_same_where_it_means_the_same(make_batch: Callable) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch.losses")
    outputs, labels = make_batch(stride=1, void=0.0)
    labels[labels == 4] = 3  # smp counts a class that is not there as a loss of 0
    share = 4 / 5
    pairs = [
        (dice(), smp.DiceLoss("multiclass")),
        (jaccard(), smp.JaccardLoss("multiclass")),
        (tversky(fp_weight=0.2, fn_weight=0.8), smp.TverskyLoss("multiclass", alpha=0.2, beta=0.8)),
    ]
    for ours, theirs in pairs:
        want = theirs(outputs["out"], labels).item()
        assert share * ours(outputs, labels).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("stride", [1, 4])
def test_first_and_second_derivatives_of_the_sums(squared: bool, stride: int, make_batch: Callable) -> None:
    outputs, labels = make_batch(3, n=2, classes=3, size=(4, 8), stride=stride)

    def of(logits: Tensor) -> Tensor:
        return class_sums(logits, labels, squared=squared)

    assert torch.autograd.gradcheck(of, (outputs["out"],))
    if stride == 4:
        assert torch.autograd.gradgradcheck(of, (outputs["out"],))


def test_only_present_classes_count_unless_all_are_asked_for(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    labels = torch.where(labels == 255, 255, 0)
    some, every = dice()(outputs, labels), dice(classes="all")(outputs, labels)
    assert every.item() == pytest.approx((some.item() + 4) / 5, rel=1e-12)
    smooth = dice(classes="all", smooth=1.0)(outputs, labels)
    (grad,) = torch.autograd.grad(smooth, outputs["out"])
    assert smooth < every
    assert grad.any()
