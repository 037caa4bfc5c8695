"""Bands of resized logits against the whole, and what is made of them against autograd on the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.losses import bands as module
from bench.losses.bands import Bands
from bench.losses.cross_entropy import labelled_mean
from bench.losses.pixel_sum import pixel_sum
from bench.spec import IGNORE

side = st.integers(1, 45)


def apart(low: tuple[int, int], size: tuple[int, int]) -> float:
    """How far bands put together, and the gradient through them, are from torch's resizing and its gradient."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, *low, generator=draw, dtype=torch.float64, requires_grad=True)
    above = torch.randn(2, 3, *size, generator=draw, dtype=torch.float64)
    bands = Bands(logits.detach(), torch.Size(size))
    found = torch.cat([band for _, band in bands], 2)
    for rows, _ in bands:
        bands.add(rows, above[:, :, rows])
    want = F.interpolate(logits, size, mode="bilinear")
    (gradient,) = torch.autograd.grad(want, logits, above)
    return max((found - want).abs().max().item(), (bands.gradient() - gradient).abs().max().item())


@settings(max_examples=30, deadline=None)
@given(side, side, side, side)
def test_bands_are_the_resized_logits_and_their_gradients_its_gradient(h: int, w: int, height: int, width: int) -> None:
    assert apart((h, w), (height, width)) < 1e-10


@pytest.mark.parametrize("fault", ["corners", "a row short"])
def test_that_comparison_sees_a_wrong_detail(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "corners":
        real = F.interpolate
        monkeypatch.setattr(
            module.F,
            "interpolate",
            lambda *a, align_corners=None, **k: real(*a, align_corners=align_corners is False, **k),
        )
    else:
        near = Bands._near
        monkeypatch.setattr(Bands, "_near", lambda self, rows: slice(near(self, rows).start + 2, near(self, rows).stop))
    assert apart((6, 5), (40, 37)) > 1e-3


def test_other_devices_take_more_rows_at_once(make_batch: Callable) -> None:
    logits = torch.empty(2, 5, 64, 64, device="meta")
    assert [len(range(512)[rows]) for rows, _ in Bands(logits, torch.Size((512, 512)))] == [512]
    assert len(list(Bands(torch.empty(16, 19, 64, 64, device="meta"), torch.Size((1024, 2048))))) == 32
    assert len(list(Bands(torch.empty(2, 5, 64, 64), torch.Size((512, 512))))) == 16


def usual(logits: Tensor, labels: Tensor, **options: object) -> Tensor:
    full = F.interpolate(logits, labels.shape[-2:], mode="bilinear")
    return F.cross_entropy(full, labels, ignore_index=IGNORE, **options)  # type: ignore[arg-type]


OPTIONS = {
    "plain": {},
    "weighted": {"weights": torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64)},
    "smoothed": {"smoothing": 0.1},
    "both": {"weights": torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64), "smoothing": 0.3},
}


def in_torch(options: dict) -> dict:
    return {{"weights": "weight", "smoothing": "label_smoothing"}[key]: value for key, value in options.items()}


@pytest.mark.parametrize("what", OPTIONS)
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_the_mean_is_that_of_the_usual_two_calls(what: str, stride: int, make_batch: Callable) -> None:
    outputs, labels = make_batch(size=(72, 40), stride=stride)
    logits, options = outputs["out"], OPTIONS[what]
    value, want = labelled_mean(logits, labels, **options), usual(logits, labels, **in_torch(options))
    assert value.item() == pytest.approx(want.item(), rel=1e-12)
    (grad,), (wanted,) = (torch.autograd.grad(v, logits) for v in (value, want))
    assert torch.allclose(grad, wanted, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_float32_is_within_a_millionth_of_the_usual_two_calls(
    layout: torch.memory_format, make_batch: Callable
) -> None:
    outputs, labels = make_batch(size=(192, 160), dtype=torch.float32)
    logits = outputs["out"].detach().to(memory_format=layout).requires_grad_()
    value, want = labelled_mean(logits, labels), usual(logits, labels)
    assert value.item() == pytest.approx(want.item(), rel=1e-6)
    (grad,), (wanted,) = (torch.autograd.grad(v, logits) for v in (value, want))
    assert (grad - wanted).abs().max() <= 1e-6 * wanted.abs().max()


def test_full_size_logits_keep_torch_s_own_bits(make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1, dtype=torch.float32)
    own = F.cross_entropy(outputs["out"], labels, ignore_index=IGNORE, reduction="none")
    assert labelled_mean(outputs["out"], labels) == own.sum() / (labels != IGNORE).sum()


@pytest.mark.parametrize("options", [{}, {"smoothing": 0.2}, {"gamma": 2.0}, {"gamma": 0.5}], ids=str)
@pytest.mark.parametrize("stride", [1, 4])
def test_first_and_second_derivatives_are_those_of_the_value(options: dict, stride: int, make_batch: Callable) -> None:
    outputs, labels = make_batch(3, n=1, classes=3, size=(8, 8), stride=stride)
    weights = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)

    def of(logits: Tensor) -> Tensor:
        return pixel_sum(logits, labels, weights=weights, **options)

    assert torch.autograd.gradcheck(of, (outputs["out"],))
    if stride == 4:
        assert torch.autograd.gradgradcheck(of, (outputs["out"],))


def test_a_second_backward_pass_and_none_at_all(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    value = labelled_mean(outputs["out"], labels)
    value.backward(retain_graph=True)
    once = outputs["out"].grad.clone()
    value.backward()
    assert torch.equal(outputs["out"].grad, 2 * once)
    with torch.no_grad():
        assert labelled_mean(outputs["out"], labels) == value
    assert not labelled_mean(outputs["out"].detach(), labels).requires_grad


def test_without_a_gradient_none_is_made(make_batch: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, labels = make_batch()
    monkeypatch.setattr(Bands, "add", lambda self, rows, gradient: pytest.fail("made a gradient"))
    assert pixel_sum(outputs["out"].detach(), labels, smoothing=0.1).isfinite()
    assert pixel_sum(outputs["out"].detach(), labels).isfinite()


def test_the_true_class_may_be_as_unlikely_as_it_likes() -> None:
    labels = torch.ones(1, 4, 4, dtype=torch.int64)
    logits = torch.tensor([2000.0, -2000.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2).clone().requires_grad_()
    assert (-logits.softmax(1)[:, 1].log()).isinf().all()  # the obvious way
    value = labelled_mean(logits, labels)
    value.backward()
    assert value.item() == 4000
    assert logits.grad.isfinite().all()
