"""PIDNet's objective against the reference values, and the trainable loss against the objective."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from bench.losses import pidnet as module
from bench.losses.boundary import edge_targets
from bench.losses.pidnet import balanced_bce, objective, pidnet

SETTINGS = {"ohem": True, "ohem_thres": 0.9, "ohem_keep": 100, "balance": (0.4, 1.0), "sb_weight": 1.0}
quiet = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:Converting a tensor with requires_grad=True:UserWarning",
)


def run_checker() -> int:
    import check_losses

    failed = check_losses.main(["--loss", "bench.losses.pidnet:objective"])
    gc.collect()  # the checker leaves its file open; the complaint about that belongs to this test
    return int(failed)


@quiet
def test_the_reference_checker_accepts_the_objective(vectors: Path) -> None:
    assert run_checker() == 0


def other_resize(logits: torch.Tensor, size: torch.Size, *, align_corners: bool) -> torch.Tensor:
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=not align_corners)


def swapped_weights(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return balanced_bce(-logits, 1 - targets) + 0.01


@quiet
@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("objective", functools.partial(objective, boundary_threshold=0.7)),
        ("objective", functools.partial(objective, boundary_weight=19.0)),
        ("resized", other_resize),
        ("balanced_bce", swapped_weights),
    ],
)
def test_the_reference_checker_refuses_a_wrong_detail(
    part: str, wrong: Callable, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, part, wrong)
    assert run_checker() == 1


def test_the_loss_is_the_objective_with_edges_of_the_crop(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    heads = [outputs[name] for name in ("aux", "out", "boundary")]
    want = objective(heads, labels, edge_targets(labels), **SETTINGS)
    assert pidnet(min_kept=100)(outputs, labels).item() == pytest.approx(want["total"].item(), rel=1e-12)
    framed = objective(heads, labels, edge_targets(labels, frame_px=6), **SETTINGS)
    assert framed["total"].item() != pytest.approx(want["total"].item(), rel=1e-6)


def test_each_option_reaches_its_term(make_batch: Callable) -> None:
    outputs, labels = make_batch()
    default = pidnet()(outputs, labels).item()
    for options in (
        {"threshold": 0.1, "min_kept": 10},
        {"aux_weight": 0.0},
        {"boundary_weight": 1.0},
        {"boundary_threshold": 0.1},
    ):
        assert pidnet(**options)(outputs, labels).item() != pytest.approx(default, rel=1e-6)


@pytest.mark.parametrize("ohem", [True, False])
def test_unit_class_weights_change_nothing_and_others_do(ohem: bool, make_batch: Callable) -> None:
    outputs, labels = make_batch()
    heads = [outputs[name] for name in ("aux", "out", "boundary")]

    def total(weights: torch.Tensor | None) -> float:
        settings = {**SETTINGS, "ohem": ohem}
        return objective(heads, labels, edge_targets(labels), **settings, class_weights=weights)["total"].item()

    ones = torch.ones(5, dtype=torch.float64)
    assert total(ones) == pytest.approx(total(None), rel=1e-12)
    assert total(ones * torch.arange(1, 6)) != pytest.approx(total(None), rel=1e-3)


@pytest.mark.parametrize("ohem", [True, False])
def test_no_boundary_found_and_no_edge_count_nothing(ohem: bool, make_batch: Callable) -> None:
    outputs, labels = make_batch()
    heads = [outputs["aux"], outputs["out"], (outputs["boundary"].detach() - 100).requires_grad_()]
    weights = torch.ones(5, dtype=torch.float64)
    parts = objective(heads, labels, torch.zeros_like(labels), **{**SETTINGS, "ohem": ohem}, class_weights=weights)
    assert parts["loss_sb"].item() == parts["loss_b"].item() == 0
    parts["total"].backward()
    assert heads[2].grad is not None
    assert not heads[2].grad.any()


def test_edges_and_the_rest_weigh_the_same() -> None:
    targets = torch.zeros(1, 10, 10)
    targets[0, 0, :5] = 1
    logits = torch.zeros_like(targets, requires_grad=True)
    balanced_bce(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad[targets == 1].sum().item() == pytest.approx(-logits.grad[targets == 0].sum().item(), rel=1e-5)


def test_only_the_boundary_head_learns_from_ignored_pixels(make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1)
    pidnet(min_kept=100)(outputs, labels).backward()
    assert outputs["boundary"].grad[:, 0][labels == 255].any()
    assert not outputs["out"].grad.movedim(1, -1)[labels == 255].any()
