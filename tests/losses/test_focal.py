"""The focal loss against its formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.cross_entropy import cross_entropy
from bench.losses.focal import focal


def formula(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    p = logits.softmax(1).gather(1, labels[:, None].where(labels[:, None] != 255, 0))[:, 0]
    return ((1 - p) ** gamma * -p.log())[labels != 255].mean()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_value_and_gradient_are_those_of_the_formula(gamma: float, make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1)
    value, want = focal(gamma=gamma)(outputs, labels), formula(outputs["out"], labels, gamma)
    assert value.item() == pytest.approx(want.item(), rel=1e-12)
    (grad,), (wanted,) = (torch.autograd.grad(v, outputs["out"]) for v in (value, want))
    assert torch.allclose(grad, wanted, rtol=1e-9, atol=1e-15)


def test_gamma_0_is_cross_entropy_and_the_default_is_not(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    plain = cross_entropy()(outputs, labels).item()
    assert focal(gamma=0)(outputs, labels).item() == pytest.approx(plain, rel=1e-12)
    assert focal()(outputs, labels).item() == focal(gamma=2)(outputs, labels).item() < plain


def test_alpha_multiplies_all_pixels_or_those_of_a_class(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    whole = focal()(outputs, labels).item()
    assert focal(alpha=0.25)(outputs, labels).item() == pytest.approx(0.25 * whole, rel=1e-12)
    each = [focal(alpha=[float(k == i) for i in range(5)])(outputs, labels).item() for k in range(5)]
    assert sum(each) == pytest.approx(whole, rel=1e-12)
    with_rule = focal(alpha="inverse")
    with_rule.fit(torch.tensor([[1, 1, 1, 1, 1]]))
    assert with_rule(outputs, labels).item() == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 0.8, 2.0])
def test_sure_pixels_pass_a_gradient_of_nought_where_the_obvious_way_passes_nan(gamma: float) -> None:
    labels = torch.zeros(1, 2, 2, dtype=torch.int64)
    logits = torch.tensor([60.0, -60.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2).clone().requires_grad_()
    focal(gamma=gamma)({"out": logits}, labels).backward()
    assert not logits.grad.any()
    if gamma < 1:
        values = F.cross_entropy(logits, labels, reduction="none")
        (naive,) = torch.autograd.grad(((1 - torch.exp(-values)) ** gamma * values).sum(), logits)
        assert naive.isnan().any()
