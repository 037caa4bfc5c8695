"""CBST and IAST: when rounds begin, which labels are chosen, against slow references."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from method_toys import CLASSES, built, running, same, setting, toy_batch, unlabelled
from torch import Tensor

from bench.methods.cbst import Cbst, surest
from bench.methods.iast import CAP, Iast, percentiles, regularisers
from bench.methods.pseudo_labels import Rounds
from bench.methods.teacher import predicted
from bench.spec import IGNORE


def softened(seed: int, n: int = 2, size: tuple[int, int] = (8, 9), classes: int = CLASSES) -> Tensor:
    """Probabilities (N, K, H, W) of all degrees of certainty."""
    draw = torch.Generator().manual_seed(seed)
    return (4 * torch.randn(n, classes, *size, generator=draw)).softmax(1)


# -------------------------------------------------------------------- rounds


@pytest.mark.parametrize(("name", "first"), [("cbst", 4), ("iast", 8)])
def test_rounds_begin_after_the_warm_up_and_then_every_tenth(
    name: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, run = [], running(name)
    method = run.method
    assert isinstance(method, Rounds)
    real = type(method).begin
    monkeypatch.setattr(type(method), "begin", lambda self: (begun.append(step), real(self)))
    for step in range(10):
        run.go(step + 1, start=step)
    assert begun == list(range(first, 10))
    assert method.first == first


def test_the_labeller_stands_still_within_a_round() -> None:
    run = running("cbst", warm_up=0.2, every=0.3)
    method = run.method
    assert isinstance(method, Rounds)
    seen = []
    for step in range(10):
        run.go(step + 1, start=step)
        seen.append(method.labeller.head.bias.detach().clone())  # type: ignore[union-attr, operator]
        assert not any(p.requires_grad or p.grad is not None for p in method.labeller.parameters())
        assert not any(part.training for part in method.labeller.modules())
    moved = [step for step, (before, after) in enumerate(pairwise(seen), 1) if not torch.equal(before, after)]
    assert moved == [2, 5, 8]


def test_before_the_first_round_training_is_source_only() -> None:
    rounds = running("iast")
    assert set(rounds.go(8)) == {"segmentation"}
    plain = running("source_only")
    plain.go(8)
    assert same(rounds.model.state_dict(), plain.model.state_dict())
    assert rounds.method.watched == {}
    assert set(rounds.go(9, start=8)) == {"segmentation", "pseudo", "labelled"}


# -------------------------------------------------------------------- CBST


@pytest.mark.parametrize("portion", [0.05, 0.1, 0.5, 1.0])
def test_the_surest_share_of_each_class_reaches_its_threshold(portion: float) -> None:
    confidence, guess = softened(0, 3).max(1)
    confidence, guess = confidence.flatten(), guess.flatten()
    thresholds = surest(confidence, guess, CLASSES + 1, portion)
    for k in range(CLASSES):
        own = sorted(confidence[guess == k].tolist(), reverse=True)
        count = math.floor(portion * len(own))
        assert thresholds[k].item() == (own[count - 1] if count else 1.0)
        assert (confidence[guess == k] >= thresholds[k]).sum() == count
    assert thresholds[CLASSES] == 1  # a class that nobody guesses


def test_a_portion_of_less_than_a_pixel_chooses_none() -> None:
    confidence, guess = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 1])
    assert surest(confidence, guess, 2, 0.4).tolist() == [1.0, 1.0]
    assert surest(confidence, guess, 2, 0.5).tolist() == [pytest.approx(0.9), 1.0]


def test_thresholds_are_those_of_all_images_of_the_target() -> None:
    run = running("cbst", portion=0.3)
    method = run.method
    assert isinstance(method, Cbst)
    method.attach(run.model, setting(unlabelled(11)))
    method.begin()
    (images,) = unlabelled(11).batches(11, torch.device("cpu"))
    confidence, guess = predicted(run.model.eval(), images).max(1)
    wanted = surest(confidence[:, ::4, ::4].flatten(), guess[:, ::4, ::4].flatten(), CLASSES, 0.3)
    torch.testing.assert_close(method.thresholds, wanted)


def test_the_label_is_the_class_with_the_largest_share_of_its_threshold() -> None:
    method = running("cbst").method
    assert isinstance(method, Cbst)
    method.thresholds.copy_(torch.tensor([0.9, 0.5, 0.2]))
    pixels = torch.tensor([[0.95, 0.03, 0.02], [0.60, 0.10, 0.30], [0.80, 0.15, 0.05], [0.5, 0.5, 0.0]])
    found = method.choose(pixels.T.reshape(1, 3, 2, 2)).flatten().tolist()
    assert found == [0, 2, IGNORE, 1]
    confidence, guess = pixels.max(1)
    usual = torch.where(confidence >= method.thresholds[guess], guess, IGNORE).tolist()
    assert usual == [0, IGNORE, IGNORE, IGNORE]  # what thresholds on the best class alone would choose


def test_cbst_trains_on_what_is_chosen_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running("cbst", warm_up=0.0, portion=0.3)
    run.model.drop.p = 0.0
    batch = toy_batch(0)
    losses = dict(run.method.losses(run.model, batch))
    method = run.method
    assert isinstance(method, Cbst)
    assert batch.target_images is not None
    labels = method.choose(predicted(method.labeller, batch.target_images))
    assert 0 < (labels != IGNORE).sum() < labels.numel()
    logits = F.interpolate(run.model(batch.target_images)["out"], (32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(losses["pseudo"], 0.5 * F.cross_entropy(logits, labels, ignore_index=IGNORE))
    assert method.watched["labelled"].item() == pytest.approx((labels != IGNORE).float().mean().item())


# -------------------------------------------------------------------- IAST


def test_percentiles_are_numpys_with_the_threshold_among_the_confidences() -> None:
    confidence, guess = softened(1, 1).max(1)
    thresholds, shares = torch.tensor([0.9, 0.6, 0.75, 0.8]), torch.tensor([0.0, 0.37, 1.0, 0.5])
    found = percentiles(confidence[0], guess[0], thresholds, shares)
    for k in range(4):
        own = [thresholds[k].item(), *confidence[0][guess[0] == k].tolist()]
        assert found[k].item() == pytest.approx(np.percentile(own, 100 * shares[k].item()), abs=1e-6)
    assert found[3].item() == pytest.approx(0.8)  # a class that is not there stays at its threshold


def slow(probabilities: Tensor, alpha: float, beta: float, gamma: float) -> tuple[Tensor, np.ndarray]:
    """Labels and thresholds image by image, class by class, as the paper's code goes about it."""
    thresholds, labels = np.full(CLASSES, 0.9), []
    for image in probabilities.double():
        confidence, guess = (part.numpy() for part in image.max(0))
        here = [
            np.percentile([thresholds[k], *confidence[guess == k]], 100 * (1 - alpha * thresholds[k] ** gamma))
            for k in range(CLASSES)
        ]
        thresholds = np.minimum(beta * thresholds + (1 - beta) * np.array(here), CAP)
        labels.append(np.where(confidence < thresholds[guess], IGNORE, guess))
    return torch.from_numpy(np.stack(labels)), thresholds


@pytest.mark.parametrize(("alpha", "beta", "gamma"), [(0.2, 0.9, 8.0), (0.5, 0.5, 2.0), (0.8, 0.0, 1.0)])
def test_thresholds_follow_each_image_as_in_a_slow_reference(alpha: float, beta: float, gamma: float) -> None:
    method = running("iast", alpha=alpha, beta=beta, gamma=gamma).method
    assert isinstance(method, Iast)
    method.begin()
    probabilities = softened(2, 5, (13, 11))
    labels = method.choose(probabilities)
    wanted, thresholds = slow(probabilities, alpha, beta, gamma)
    np.testing.assert_allclose(method.thresholds.numpy(), thresholds, atol=1e-5)
    assert (labels != wanted).sum() <= 2  # a pixel that is its class's threshold to the last digit
    assert 0 < (labels != IGNORE).sum() < labels.numel()
    method.begin()
    assert method.thresholds.tolist() == [pytest.approx(0.9)] * CLASSES


def test_thresholds_never_pass_the_cap() -> None:
    method = running("iast", beta=0.0).method
    assert isinstance(method, Iast)
    certain = torch.zeros(1, CLASSES, 4, 4)
    certain[:, 1] = 1
    labels = method.choose(certain)
    assert method.thresholds.max().item() == pytest.approx(CAP)
    assert (labels == 1).all()


def test_regularisers_are_the_published_means() -> None:
    logits = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    known = torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(1)) < 0.4
    log = logits.log_softmax(1)
    weight = known[:, None].expand_as(logits).double()
    flat, unsure = regularisers(logits, known)
    torch.testing.assert_close(flat, (-log / 5 * weight).sum() / weight.sum())
    torch.testing.assert_close(unsure, (-log.exp() * log * (1 - weight)).sum() / (1 - weight).sum())
    nothing = regularisers(logits, torch.zeros_like(known))[0], regularisers(logits, torch.ones_like(known))[1]
    assert [value.item() for value in nothing] == [0, 0]


def test_iast_adds_up_its_three_terms() -> None:
    run = running("iast", warm_up=0.0, alpha=1.0, beta=0.0)
    run.model.drop.p = 0.0
    batch = toy_batch(0)
    found = dict(run.method.losses(run.model, batch))["pseudo"]
    method = run.method
    assert isinstance(method, Iast)
    assert batch.target_images is not None
    method.begin()
    labels = method.choose(predicted(method.labeller, batch.target_images))
    logits = F.interpolate(run.model(batch.target_images)["out"], (32, 32), mode="bilinear", align_corners=False)
    flat, unsure = regularisers(logits, labels != IGNORE)
    wanted = 0.5 * F.cross_entropy(logits, labels, ignore_index=IGNORE) + 0.1 * flat + 3.0 * unsure
    torch.testing.assert_close(found, wanted)


def test_the_defaults_are_the_published_numbers() -> None:
    cbst, iast = built("cbst"), built("iast")
    assert isinstance(cbst, Cbst)
    assert isinstance(iast, Iast)
    assert (cbst.portion, cbst.weight, cbst.warm_up, cbst.every) == (0.1, 0.5, 0.4, 0.1)
    assert (iast.alpha, iast.beta, iast.gamma, iast.weights) == (0.2, 0.9, 8.0, (0.5, 0.1, 3.0))
    assert (iast.warm_up, iast.every) == (0.8, 0.1)
