"""The promises of every loss, on batches that hypothesis draws: any size, any share of void, any precision."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from every_loss import HEADS, build
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.losses import LOSSES
from bench.spec import IGNORE

every_loss = pytest.mark.parametrize("name", LOSSES)
some = settings(max_examples=15, deadline=None)


class Drawn(NamedTuple):
    outputs: dict[str, Tensor]
    labels: Tensor


@st.composite
def batches(draw: st.DrawFn, dtypes: tuple[torch.dtype, ...] = (torch.float32,), full: bool = False) -> Drawn:
    """Outputs of any sizes up to the labels', which may have more rows than a band."""
    n, k = draw(st.integers(1, 3)), draw(st.integers(2, 5))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    low = (height, width) if full else (draw(st.integers(1, height)), draw(st.integers(1, width)))
    dtype, scale = draw(st.sampled_from(dtypes)), draw(st.sampled_from((0.1, 3.0, 100.0, 5000.0)))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    labels = torch.randint(draw(st.integers(1, k)), (n, height, width), generator=random)
    labels[torch.rand(labels.shape, generator=random) < draw(st.sampled_from((0.0, 0.3, 0.97, 1.0)))] = IGNORE
    outputs = {
        name: (scale * torch.randn(n, channels, *low, generator=random)).to(dtype).requires_grad_()
        for name, channels in {"aux": k, "out": k, "boundary": 1}.items()
    }
    return Drawn(outputs, labels)


def stepped(name: str, drawn: Drawn) -> tuple[Tensor, dict[str, Tensor]]:
    """Value and gradients of the heads that the loss learns from."""
    value = build(name)(drawn.outputs, drawn.labels)
    heads = [drawn.outputs[head] for head in HEADS[name]]
    return value.detach(), dict(zip(HEADS[name], torch.autograd.grad(value, heads), strict=True))


@every_loss
@some
@given(batches((torch.float32, torch.float64, torch.bfloat16, torch.float16)))
def test_value_and_gradient_are_finite_and_nothing_labelled_is_nought(name: str, drawn: Drawn) -> None:
    value, grads = stepped(name, drawn)
    assert value.shape == ()
    assert value.dtype == (torch.float64 if drawn.outputs["out"].dtype == torch.float64 else torch.float32)
    assert value.isfinite()
    assert value >= 0
    assert all(grad.isfinite().all() for grad in grads.values())
    assert all(grad.dtype == drawn.outputs[head].dtype for head, grad in grads.items())
    if (drawn.labels == IGNORE).all():
        assert value == 0 or name == "pidnet"  # its boundary head learns from void as well, as in its paper
        assert not any(grad.any() for grad in grads.values())


@every_loss
@some
@given(batches((torch.bfloat16, torch.float16)))
def test_arithmetic_is_in_float32_whatever_the_logits_and_the_caller_are_in(name: str, drawn: Drawn) -> None:
    value, grads = stepped(name, drawn)
    wide = {head: logits.detach().float().requires_grad_() for head, logits in drawn.outputs.items()}
    want, wanted = stepped(name, Drawn(wide, drawn.labels))
    assert value == want
    assert all(torch.equal(grads[head], wanted[head].to(grads[head].dtype)) for head in grads)
    with torch.autocast("cpu", torch.bfloat16):
        inside, inner = stepped(name, drawn)
    assert inside == want
    assert all(torch.equal(grads[head], inner[head]) for head in grads)


def test_half_precision_shows_where_a_loss_works_in_it() -> None:
    labels = torch.randint(5, (2, 64, 64), generator=torch.Generator().manual_seed(0))
    logits = torch.randn(2, 5, 64, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    ours, naive = build("cross_entropy", aux_weight=0.0)({"out": logits}, labels), F.cross_entropy(logits, labels)
    assert ours != naive
    assert ours.dtype == torch.float32


@every_loss
@some
@given(batches((torch.float64,)), st.randoms(use_true_random=False))
def test_the_order_of_a_batch_does_not_matter(name: str, drawn: Drawn, random: object) -> None:
    order = torch.randperm(len(drawn.labels), generator=torch.Generator().manual_seed(random.getrandbits(32)))  # type: ignore[attr-defined]
    turned = {head: logits.detach()[order].requires_grad_() for head, logits in drawn.outputs.items()}
    value, grads = stepped(name, drawn)
    other, others = stepped(name, Drawn(turned, drawn.labels[order]))
    assert other.item() == pytest.approx(value.item(), rel=1e-9, abs=1e-12)
    assert all(torch.allclose(grads[head][order], others[head], rtol=1e-6, atol=1e-12) for head in grads)


@every_loss
@some
@given(batches(full=True))
def test_an_ignored_pixel_gets_no_gradient_and_counts_nothing(name: str, drawn: Drawn) -> None:
    value, grads = stepped(name, drawn)
    void = drawn.labels == IGNORE
    assert not any(grad.movedim(1, -1)[void].any() for grad in grads.values())
    other = {head: logits.detach().clone() for head, logits in drawn.outputs.items()}
    for head in HEADS[name]:
        other[head].movedim(1, -1)[void] = 9.0
    again = {head: logits.requires_grad_() for head, logits in other.items()}
    assert stepped(name, Drawn(again, drawn.labels))[0].item() == pytest.approx(value.item(), rel=1e-5, abs=1e-6)
