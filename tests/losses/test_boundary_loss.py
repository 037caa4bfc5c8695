"""The boundary loss: what it counts as an edge, that both sides weigh the same, that void counts nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from bench.losses.boundary import balanced_bce, boundary, edge_targets


def halves(void: slice | None = None) -> torch.Tensor:
    labels = torch.zeros(1, 12, 20, dtype=torch.int64)
    labels[:, :, 10:] = 1
    if void is not None:
        labels[:, :, void] = 255
    return labels


def test_where_a_class_meets_void_is_no_edge() -> None:
    assert edge_targets(halves(), void_meets=False)[0].any(0).nonzero().flatten().tolist() == [8, 9, 10, 11]
    band = halves(slice(9, 11))
    assert not edge_targets(band, void_meets=False).any()
    assert edge_targets(band)[0].any()
    corner = halves(slice(0, 3))
    assert edge_targets(corner, void_meets=False)[0].any(0).nonzero().flatten().tolist() == [8, 9, 10, 11]


def test_it_is_binary_cross_entropy_with_two_weights(make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1)
    edges, valid = edge_targets(labels, void_meets=False), labels != 255
    share = edges[valid].double().mean()
    each = F.binary_cross_entropy_with_logits(outputs["boundary"][:, 0], edges.double(), reduction="none")
    want = (each * torch.where(edges, 1 - share, share))[valid].mean()
    assert boundary()(outputs, labels).item() == pytest.approx(want.item(), rel=1e-12)
    plain = each[valid].mean()
    assert boundary()(outputs, labels).item() != pytest.approx(plain.item(), rel=1e-2)


def test_edges_and_the_rest_pull_alike_void_or_not() -> None:
    labels = halves(slice(14, 20))
    logits = torch.zeros(1, 1, 12, 20, requires_grad=True)
    boundary()({"boundary": logits}, labels).backward()
    edges = edge_targets(labels, void_meets=False)
    pull = logits.grad[:, 0]
    assert pull[edges].sum().item() == pytest.approx(-pull[~edges].sum().item(), rel=1e-5)
    assert not pull[labels == 255].any()
    assert pull[labels != 255].all()


def test_one_class_and_void_have_no_edge_to_find(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    value = boundary()(outputs, torch.where(labels == 255, 255, 3))
    assert value == 0
    assert edge_targets(torch.where(labels == 255, 255, 3)).any()


def test_all_pixels_valid_is_the_form_without_a_mask() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(2, 8, 8, generator=draw), torch.rand(2, 8, 8, generator=draw) < 0.2
    assert balanced_bce(logits, targets, torch.ones_like(targets)).item() == pytest.approx(
        balanced_bce(logits, targets).item(), rel=1e-6
    )
