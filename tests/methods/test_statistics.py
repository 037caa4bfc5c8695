"""AdaBN, test-time BN and TENT: whose statistics normalise, and what moves while predicting."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from method_toys import CPU, Toy, built, images_of, running, same, setting, unlabelled
from torch import Tensor, nn

from bench.batches import normalise
from bench.methods.adabn import with_statistics_of
from bench.methods.norms import ByBatch, batch_norms, normalise_by_batch
from bench.methods.tent import Adapting
from bench.models.segmodel import SegModel


def trained() -> Toy:
    run = running("source_only")
    run.go(4)
    return run.model


class Pooled(SegModel):
    """Normalises a global mean, as pyramids do: of one image a single value for a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.bn = nn.Conv2d(3, 2, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(images) + self.bn(images.mean((2, 3), keepdim=True)).sum(1, keepdim=True)}


# -------------------------------------------------------------------- AdaBN


def test_statistics_are_those_of_all_images_where_batches_are_equal() -> None:
    model, images = trained(), unlabelled(8)
    twin = with_statistics_of(model, images, 4, CPU)
    seen = model.stem(normalise(images.images)).double()
    torch.testing.assert_close(twin.bn.running_mean.double(), seen.mean((0, 2, 3)), rtol=1e-5, atol=1e-5)  # type: ignore[union-attr]
    halves = torch.stack([half.var((0, 2, 3)) for half in seen.split(4)])
    torch.testing.assert_close(twin.bn.running_var.double(), halves.mean(0), rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]
    whole = with_statistics_of(model, images, 8, CPU)
    torch.testing.assert_close(whole.bn.running_var.double(), seen.var((0, 2, 3)), rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]


def test_every_image_counts_alike_whatever_the_last_batch() -> None:
    model, images = trained(), unlabelled(7)
    seen = model.stem(normalise(images.images)).double()
    for size in (2, 3, 6):
        twin = with_statistics_of(model, images, size, CPU)
        torch.testing.assert_close(twin.bn.running_mean.double(), seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)  # type: ignore[union-attr]
    uneven = torch.stack([part.mean((0, 2, 3)) for part in seen.split(6)]).mean(0)
    assert not torch.allclose(uneven, seen.mean((0, 2, 3)), rtol=1e-3)  # a plain mean of a batch of 6 and one of 1


def test_no_batch_is_of_one_image_unless_there_is_but_one() -> None:
    assert [len(batch) for batch in unlabelled(9).batches(8, CPU)] == [5, 4]
    assert [len(batch) for batch in unlabelled(8).batches(8, CPU)] == [8]
    assert [len(batch) for batch in unlabelled(1).batches(8, CPU)] == [1]
    assert [len(batch) for batch in unlabelled(10).batches(4, CPU)] == [4, 3, 3]
    together = torch.cat(list(unlabelled(9).batches(4, CPU)))
    assert torch.equal(together, normalise(unlabelled(9).images))
    with_statistics_of(Pooled(), unlabelled(9), 8, CPU)
    with pytest.raises(ValueError, match="more than 1 value"):
        with_statistics_of(Pooled(), unlabelled(9), 1, CPU)


def test_weights_and_whatever_else_stay() -> None:
    model = trained()
    twin = with_statistics_of(model, unlabelled(), 2, CPU)
    for (name, one), other in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(one, other) == ("running" not in name and "tracked" not in name), name
    first = twin(images_of(0))["out"]
    assert torch.equal(first, twin(images_of(0))["out"])  # dropout is off


def test_source_statistics_are_found_again_on_the_source() -> None:
    """A network adapted to the images it has its statistics from predicts what it predicted."""
    model = trained()
    once = with_statistics_of(model, unlabelled(6), 6, CPU)
    twice = with_statistics_of(once, unlabelled(6), 6, CPU)
    assert same(once.bn.running_mean, twice.bn.running_mean)
    shifted = unlabelled(6)
    shifted.images.copy_(shifted.images // 2)
    assert not same(once.bn.running_mean, with_statistics_of(once, shifted, 6, CPU).bn.running_mean)


# -------------------------------------------------------------------- test-time BN


def test_each_batch_is_normalised_by_itself() -> None:
    model = trained()
    model.drop.p = 0.0
    network = built("test_bn").adapted(model)
    images = images_of(5, 4)
    wanted = copy.deepcopy(model).train()(images)["out"]
    torch.testing.assert_close(network(images)["out"], wanted)
    assert not torch.allclose(network(images[:2])["out"], wanted[:2], atol=1e-3)
    assert not torch.allclose(model.eval()(images)["out"], wanted, atol=1e-3)


def test_scoring_leaves_no_trace() -> None:
    network = built("test_bn").adapted(trained())
    before = copy.deepcopy(network.state_dict())
    network(images_of(5))
    assert same(before, network.state_dict())


def test_a_single_value_goes_by_the_running_statistics() -> None:
    model = Pooled()
    model.bn.running_mean.fill_(0.25)  # type: ignore[union-attr]
    network = built("test_bn").adapted(model)
    images = images_of(0, 1)
    torch.testing.assert_close(network(images)["out"], model.eval()(images)["out"])
    with pytest.raises(ValueError, match="more than 1 value"):
        model.train()(images)
    assert not torch.allclose(network(images_of(0, 3))["out"], model.eval()(images_of(0, 3))["out"], atol=1e-3)


def test_layers_without_statistics_are_left_alone() -> None:
    model = Toy()
    model.drop = nn.BatchNorm2d(6, track_running_stats=False)  # type: ignore[assignment]
    assert batch_norms(model, "adabn") == [model.bn]
    norm = model.bn
    normalise_by_batch(model)
    assert isinstance(model.bn, ByBatch)
    assert model.bn.norm is norm
    assert isinstance(model.drop, nn.BatchNorm2d)


# -------------------------------------------------------------------- TENT


def tent(model: SegModel, **options: object) -> Adapting:
    network = built("tent", **options).adapted(model)
    assert isinstance(network, Adapting)
    return network


def test_predictions_are_those_before_the_update() -> None:
    model = trained()
    network, still = tent(model), built("test_bn").adapted(model)
    first = network(images_of(5))["out"]
    torch.testing.assert_close(first, still(images_of(5))["out"])
    assert not torch.allclose(network(images_of(5))["out"], first)
    assert not first.requires_grad


def test_the_first_update_is_adams_step_of_the_rate() -> None:
    network = tent(trained(), lr=0.01)
    before = [p.detach().clone() for p in network.affine]
    network(images_of(5))
    moved = torch.cat([after.detach() - old for after, old in zip(network.affine, before, strict=True)]).abs()
    assert moved.max().item() == pytest.approx(0.01, rel=1e-3)


def test_only_the_affine_parameters_of_normalisation_move() -> None:
    network = tent(trained())
    before = copy.deepcopy(network.state_dict())
    network(images_of(5))
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"model.bn.norm.weight", "model.bn.norm.bias"}
    assert {name for name, p in network.named_parameters() if p.requires_grad} == moved


def test_a_frozen_layer_moves_all_the_same() -> None:
    model = trained()
    model.requires_grad_(False)
    network = tent(model)
    network(images_of(5))
    assert not same(network.state_dict()["model.bn.norm.weight"], model.bn.weight)
    assert not model.bn.weight.requires_grad


def test_entropy_falls_on_a_batch_seen_again() -> None:
    network = tent(trained(), lr=0.01)
    entropies = []
    for _ in range(10):
        p = network(images_of(5))["out"].softmax(1)
        entropies.append(torch.special.entr(p).sum(1).mean().item())
    assert entropies[-1] < entropies[0]


def test_episodes_forget() -> None:
    network, other = tent(trained(), episodic=True, lr=0.1), tent(trained(), lr=0.1)
    alone = network(images_of(6))["out"]
    moved = [p.detach().clone() for p in network.affine]
    network(images_of(5))
    assert torch.equal(network(images_of(6))["out"], alone)
    assert same(moved, [p.detach() for p in network.affine])  # Adam forgot, too
    other(images_of(5))
    assert not torch.allclose(other(images_of(6))["out"], alone)


def test_each_domain_has_a_copy_that_goes_its_own_way() -> None:
    network = tent(trained(), lr=0.1)
    one, other = copy.deepcopy(network), copy.deepcopy(network)
    assert one.optimizer is not other.optimizer
    assert one.optimizer.param_groups[0]["params"][0] is one.affine[0]
    for k in range(3):
        one(images_of(k))
    fresh = other(images_of(9))["out"]
    assert torch.equal(network(images_of(9))["out"], fresh)
    assert not torch.allclose(one(images_of(9))["out"], fresh, atol=1e-3)
    halfway = copy.deepcopy(one)
    assert torch.equal(halfway(images_of(10))["out"], one(images_of(10))["out"])
    assert torch.equal(halfway(images_of(11))["out"], one(images_of(11))["out"])  # Adam's memory came along


def test_it_adapts_inside_inference_mode_where_scoring_happens() -> None:
    network = tent(trained(), lr=0.1)
    with torch.inference_mode():
        first = network(images_of(5))["out"]
        assert not torch.equal(network(images_of(5))["out"], first)


def test_the_defaults_are_the_papers() -> None:
    network = tent(trained())
    group = network.optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-3, (0.9, 0.999), 0)


def test_without_a_target_adabn_gives_the_network_itself() -> None:
    model, method = Toy(), built("adabn")
    method.attach(model, setting())
    assert method.adapted(model) is not model
    method.attach(model, dataclasses.replace(setting(), target=None))
    assert method.adapted(model) is model
