"""Cross entropy against torch's own, where that one is a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from bench.losses.cross_entropy import cross_entropy, mean_where


def test_it_is_torch_s_mean_over_labelled_pixels(make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1)
    out, aux = (F.cross_entropy(outputs[k], labels, ignore_index=255).item() for k in ("out", "aux"))
    assert cross_entropy()(outputs, labels).item() == pytest.approx(out, rel=1e-12)
    assert cross_entropy(aux_weight=0.4)(outputs, labels).item() == pytest.approx(out + 0.4 * aux, rel=1e-12)
    void = torch.full_like(labels, 255)
    assert F.cross_entropy(outputs["out"], void, ignore_index=255).isnan()  # what the caller must never see
    assert cross_entropy()(outputs, void).item() == 0


def test_without_a_weight_the_auxiliary_output_is_neither_needed_nor_used(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    cross_entropy()({"out": outputs["out"]}, labels).backward()
    cross_entropy()(outputs, labels).backward()
    assert outputs["aux"].grad is None


def test_a_mean_over_nothing_is_nought_and_passes_no_gradient() -> None:
    values = torch.tensor([1.0, float("inf"), 3.0], requires_grad=True)
    mean_where(values, torch.tensor([True, False, True])).backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.5, 0.0, 0.5]
    nothing = mean_where(values, torch.zeros(3, dtype=torch.bool))
    assert nothing.item() == 0
    nothing.backward()
