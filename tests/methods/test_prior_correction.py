"""Prior correction: a shift that is known is found, none is left alone, and nothing grows from nothing."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from method_toys import CPU, Toy, built, images_of, running, setting, unlabelled
from torch import Tensor

from bench.methods import prior_correction
from bench.methods.prior_correction import Corrected, ratios, sampled
from bench.scores import miou
from bench.spec import BenchError


def shares(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def world(prior: Tensor, shown: Tensor, pixels: int = 40_000, spread: float = 1.2) -> tuple[Tensor, Tensor]:
    """Posteriors (P, K) under `prior` of pixels whose classes (P,) come in the shares `shown`.

    Class k shows itself as a normal number around its own corner.
    """
    draw = torch.Generator().manual_seed(0)
    classes = torch.multinomial(shown, pixels, replacement=True, generator=draw)
    corners = 2 * torch.eye(len(prior), dtype=torch.float64)
    seen = corners[classes] + spread * torch.randn(pixels, len(prior), generator=draw, dtype=torch.float64)
    likelihood = -(seen[:, None] - corners).square().sum(2) / (2 * spread**2)
    return (likelihood + prior.log()).softmax(1), classes


def accuracy(probabilities: Tensor, classes: Tensor) -> float:
    return (probabilities.argmax(1) == classes).double().mean().item()


@pytest.mark.parametrize("shown", [(0.1, 0.2, 0.7), (0.6, 0.39, 0.01), (1 / 3, 1 / 3, 1 / 3)])
def test_a_known_shift_is_found(shown: tuple[float, ...]) -> None:
    prior, target = shares(0.6, 0.3, 0.1), shares(*shown)
    posterior, classes = world(prior, target)
    found = ratios(posterior, prior, 200)
    torch.testing.assert_close(found * prior, target, rtol=0, atol=0.02)
    naive = posterior.mean(0)
    assert (naive - target).abs().max() > 0.05 or shown == (0.6, 0.39, 0.01)
    assert accuracy(posterior * found, classes) > accuracy(posterior, classes)


def test_shares_of_one_round_are_the_formula() -> None:
    prior = shares(0.5, 0.3, 0.2)
    posterior, _ = world(prior, shares(0.2, 0.2, 0.6), 500)
    found = shares(1, 1, 1)
    for _ in range(3):
        weighed = posterior * found
        found = (weighed / weighed.sum(1, keepdim=True)).mean(0) / prior
    torch.testing.assert_close(ratios(posterior, prior, 3), found)


def test_without_a_shift_nothing_is_corrected() -> None:
    turns = torch.stack([shares(0.7, 0.2, 0.1).roll(k) for k in range(3)])
    torch.testing.assert_close(ratios(turns, shares(1 / 3, 1 / 3, 1 / 3), 100), shares(1, 1, 1))
    certain = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 2]]
    torch.testing.assert_close(ratios(certain, shares(0.5, 0.25, 0.25), 100), shares(1, 1, 1))


def test_a_class_that_the_source_never_had_keeps_its_predictions() -> None:
    prior = shares(0.6, 0.4, 0.0)
    posterior, _ = world(shares(0.6, 0.39, 0.01), shares(0.3, 0.69, 0.01))
    found = ratios(posterior, prior, 100)
    assert found[2] == 1
    assert found[1] > 1.4
    assert found.isfinite().all()


def test_certainty_of_a_class_that_dies_out_stays_finite() -> None:
    posterior = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    found = ratios(posterior, shares(0.5, 0.5), 100)
    torch.testing.assert_close(found, shares(2, 0))
    model = Toy(2)
    method = built("prior_correction", 2)
    method.attach(model, dataclasses.replace(setting(classes=2), source_shares=(0.999, 0.001)))
    assert method.adapted(model)(images_of(0))["out"].isfinite().all()


def test_offsets_are_the_logarithms_of_the_ratios_and_strength_their_share() -> None:
    run = running("prior_correction")
    run.go(4)
    network = run.method.adapted(run.model)
    assert isinstance(network, Corrected)
    plain = run.model.eval()
    change = ratios(sampled(plain, unlabelled(), CPU), shares(1, 2, 3) / 6, 50)
    torch.testing.assert_close(network.offsets.double(), change.clamp(min=1e-6).log(), rtol=1e-4, atol=1e-5)
    images = images_of(3)
    wanted = plain(images)["out"] + network.offsets.view(1, 3, 1, 1)
    torch.testing.assert_close(network(images)["out"], wanted)
    assert torch.equal(network(images)["aux"], plain(images)["aux"])
    half = built("prior_correction", strength=0.5)
    half.attach(run.model, setting())
    found = half.adapted(run.model)
    assert isinstance(found, Corrected)
    torch.testing.assert_close(found.offsets, network.offsets / 2)


def test_only_so_many_pixels_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Toy().eval()
    everything = sampled(model, unlabelled(5), CPU)
    assert everything.shape == (5 * 16 * 16, 3)
    torch.testing.assert_close(everything.sum(1), torch.ones(len(everything)))
    monkeypatch.setattr(prior_correction, "PIXELS", 100)
    few = sampled(model, unlabelled(5), CPU)
    assert 50 < len(few) <= 100
    with_gaps = model(next(unlabelled(5).batches(5, CPU)))["out"].softmax(1)[..., ::4, ::4].movedim(1, -1)
    torch.testing.assert_close(few, with_gaps.flatten(0, -2))


def test_correcting_a_shift_raises_the_score() -> None:
    prior, target = shares(0.8, 0.15, 0.05), shares(0.1, 0.3, 0.6)
    posterior, classes = world(prior, target)

    def scored(probabilities: Tensor) -> float:
        counts = torch.zeros(3, 3, dtype=torch.int64)
        counts.index_put_((classes, probabilities.argmax(1)), torch.tensor(1), accumulate=True)
        return miou(counts.numpy())

    assert scored(posterior * ratios(posterior, prior, 50)) > scored(posterior) + 0.05
    assert scored(posterior / ratios(posterior, prior, 50)) < scored(posterior)  # the wrong way round


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(BenchError, match="out of range"):
        built("prior_correction", iterations=10_001)
