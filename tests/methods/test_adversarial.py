"""AdaptSegNet, AdvEnt and MinEnt: sizes, whose gradient goes where, and entropies between 0 and 1."""

from __future__ import annotations

import dataclasses
import functools
import math

import pytest
import torch
import torch.nn.functional as F
from method_toys import CLASSES, Running, built, running, setting, toy_batch

from bench.batches import Batch
from bench.methods.advent import self_information
from bench.methods.adversarial import Adversarial
from bench.methods.discriminator import SOURCE, TARGET, Discriminator, verdict
from bench.spec import BenchError


@pytest.mark.parametrize(("classes", "wanted"), [(7, 2_768_833), (11, 2_772_929), (19, 2_781_121)])
def test_a_discriminator_has_the_published_size(classes: int, wanted: int) -> None:
    with torch.device("meta"):
        network = Discriminator(classes)
        assert sum(p.numel() for p in network.parameters()) == wanted
        assert network(torch.zeros(1, classes, 512, 1024)).shape == (1, 1, 16, 32)
        assert network(torch.zeros(1, classes, 95, 32)).shape == (1, 1, 2, 1)


@pytest.mark.parametrize("size", [(31, 64), (64, 16)])
def test_an_image_too_small_for_it_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BenchError, match="32 pixels a side"):
        Discriminator(3, 4)(torch.zeros(1, 3, *size))
    with pytest.raises(BenchError) as caught:
        running("advent").go(1, batches=lambda step: toy_batch(step, size=size))
    assert caught.value.key == "crop_px"


def test_verdicts_are_binary_cross_entropy_and_squares() -> None:
    logits = torch.randn(2, 1, 3, 4)
    for domain in (SOURCE, TARGET):
        truth = torch.full_like(logits, domain)
        torch.testing.assert_close(verdict(logits, domain, "bce"), F.binary_cross_entropy_with_logits(logits, truth))
        torch.testing.assert_close(verdict(logits, domain, "least_squares"), F.mse_loss(logits, truth))


def grads(run: Running) -> tuple[float, float]:
    """How much gradient lies in the network and in the discriminators; both are emptied."""
    found = []
    for parameters in (run.model.parameters(), run.method.networks.parameters()):  # type: ignore[attr-defined]
        total = 0.0
        for parameter in parameters:
            total += 0.0 if parameter.grad is None else float(parameter.grad.abs().sum())
            parameter.grad = None
        found.append(total)
    return found[0], found[1]


@pytest.mark.parametrize("name", ["adaptsegnet", "advent"])
def test_each_loss_moves_one_side(name: str) -> None:
    run = running(name, multi_level=True)
    sides = {}
    for loss_name, loss in run.method.losses(run.model, toy_batch(0)):
        loss.backward()
        sides[loss_name] = grads(run)
    assert {key: (model > 0, networks > 0) for key, (model, networks) in sides.items()} == {
        "segmentation": (True, False),
        "adversarial": (True, False),
        "discriminator": (False, True),
    }
    assert all(p.requires_grad for p in run.method.networks.parameters())  # type: ignore[attr-defined]


def test_the_check_catches_a_discriminator_that_is_not_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running("adaptsegnet")
    monkeypatch.setattr(torch.nn.ModuleDict, "requires_grad_", lambda self, on: self)
    losses = run.method.losses(run.model, toy_batch(0))
    next(losses)
    next(losses)[1].backward()
    assert grads(run)[1] > 0


@pytest.mark.parametrize("game", ["bce", "least_squares"])
def test_the_losses_are_those_of_the_formulas(game: str) -> None:
    run = running("adaptsegnet", multi_level=True, weight=0.5, aux_weight=0.25, game=game)
    run.model.drop.p = 0.0
    batch = toy_batch(0)
    assert batch.target_images is not None
    found = {name: loss.item() for name, loss in run.method.losses(run.model, batch)}

    def told(name: str, images: torch.Tensor, domain: float) -> float:
        logits = F.interpolate(run.model(images)[name], images.shape[-2:], mode="bilinear", align_corners=False)
        said = run.method.networks[name](logits.softmax(1))  # type: ignore[attr-defined]
        truth = torch.full_like(said, domain)
        loss = F.binary_cross_entropy_with_logits if game == "bce" else F.mse_loss
        return loss(said, truth).item()

    fooled = 0.5 * told("out", batch.target_images, 0) + 0.25 * told("aux", batch.target_images, 0)
    right = sum(told(name, batch.images, 0) / 2 + told(name, batch.target_images, 1) / 2 for name in ("out", "aux"))
    assert found["adversarial"] == pytest.approx(fooled, rel=1e-5)
    assert found["discriminator"] == pytest.approx(right, rel=1e-5)
    if game == "bce":
        assert found["discriminator"] == pytest.approx(2 * math.log(2), rel=0.05)  # nothing is learnt yet


def test_a_discriminator_learns_to_tell_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    small = functools.partial(Discriminator, width=8)
    monkeypatch.setattr("bench.methods.adversarial.Discriminator", small)
    run = running("adaptsegnet", weight=0.0, discriminator_lr=3e-3)

    def different(step: int) -> Batch:
        batch = toy_batch(0)
        return dataclasses.replace(batch, target_images=torch.zeros_like(batch.images), step=step)

    told = run.go(20, batches=different)
    assert told["discriminator"][-1] < 0.8 * told["discriminator"][0]
    assert told["discriminator_accuracy"][-1] == 1
    assert all(0 <= value <= 1 for value in told["discriminator_accuracy"])


def test_its_optimizer_has_the_published_numbers_and_follows_the_schedule() -> None:
    run = running("adaptsegnet")
    run.go(3)
    (group,) = run.optimizers[1].param_groups
    assert group["initial_lr"] == 1e-4
    assert group["betas"] == (0.9, 0.99)
    assert group["lr"] == pytest.approx(1e-4 * 0.9)


def test_the_defaults_are_the_papers() -> None:
    for name in ("adaptsegnet", "advent"):
        method = built(name, multi_level=True)
        assert isinstance(method, Adversarial)
        assert method.weights == {"out": 0.001, "aux": 0.0002}
    assert built("minent", aux_weight=0.0002).weights == {"out": 0.001, "aux": 0.0002}  # type: ignore[attr-defined]


# -------------------------------------------------------------------- entropy


@pytest.mark.parametrize("classes", [2, 3, 19])
def test_self_information_adds_up_to_an_entropy_between_0_and_1(classes: int) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 30 * torch.randn(2, classes, 5, 5, generator=draw)
    entropy = self_information(logits).sum(1)
    assert entropy.min() >= 0
    assert entropy.max() <= 1 + 1e-6
    p = logits.double().softmax(1)
    wanted = torch.special.entr(p).sum(1) / math.log(classes)
    torch.testing.assert_close(entropy.double(), wanted, rtol=1e-4, atol=1e-6)
    assert self_information(torch.zeros(1, classes, 1, 1)).sum().item() == pytest.approx(1)


def test_certainty_has_entropy_0_and_a_finite_gradient() -> None:
    logits = torch.tensor([1e4, 0.0, -1e4]).view(1, 3, 1, 1).requires_grad_()
    entropy = self_information(logits).sum()
    entropy.backward()
    assert entropy.item() == 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    p = logits.detach().softmax(1)
    assert (p * p.log()).sum().isnan()  # what the obvious formula gives


def test_minent_is_the_weighted_mean_entropy_of_the_target() -> None:
    run = running("minent", weight=0.5, aux_weight=0.25)
    run.model.drop.p = 0.0
    batch = toy_batch(0)
    found = dict(run.method.losses(run.model, batch))["entropy"]
    outputs = run.model(batch.target_images)
    wanted = sum(
        weight * torch.special.entr(outputs[name].softmax(1)).sum(1).mean() / math.log(CLASSES)
        for name, weight in (("out", 0.5), ("aux", 0.25))
    )
    torch.testing.assert_close(found, wanted)


def test_minent_makes_predictions_surer() -> None:
    def still(step: int) -> Batch:
        return dataclasses.replace(toy_batch(0), step=step)

    def last(weight: float) -> float:
        run = running("minent", weight=weight)
        run.model.drop.p = 0.0
        run.go(20, batches=still)
        outputs = run.model.eval()(still(0).target_images)
        return self_information(outputs["out"]).sum(1).mean().item()

    assert last(1.0) < 0.95 * last(0.0)


def test_attaching_again_makes_new_discriminators() -> None:
    run = running("adaptsegnet")
    first = run.method.networks  # type: ignore[attr-defined]
    run.method.attach(run.model, setting())
    assert run.method.networks is not first  # type: ignore[attr-defined]
