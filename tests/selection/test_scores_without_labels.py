"""Scores that need no target label: their closed forms, their direction, one pass without waiting for a device."""

from __future__ import annotations

import copy
import math
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.models.segmodel import SegModel
from bench.selection import LABEL_FREE, SELECTORS, worth
from bench.selection.confidence import expected_accuracy
from bench.selection.density import TEMPERATURE, density
from bench.selection.looking import IMAGES, label_free, spread
from bench.selection.shares import jensen_shannon
from bench.selection.statistics import hellinger
from bench.selection.view import SIDE, labels_at, thinned
from bench.spec.request import Choice

K = 4


class Painter(SegModel):
    """Logits are the first K channels' worth of colour: a fixed map of each pixel, so answers can be worked out."""

    def __init__(self, sharpness: float = 1.0, bias: tuple[float, ...] = (0.0,) * K) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Conv2d(3, K, 1)
        with torch.no_grad():
            self.head.weight.mul_(sharpness)
            self.head.bias.copy_(torch.tensor(bias))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(self.norm(images))}


def photos(number: int = 5, seed: int = 0, side: int = 16) -> list[Tensor]:
    drawn = torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return [drawn[:3], drawn[3:]]


def looked(network: SegModel, target: list[Tensor] | None = None, **words: object) -> dict[str, float | None]:
    images = photos(seed=1)
    source = [(batch, network.eval()(batch)["out"].argmax(1).to(torch.uint8)) for batch in images]
    prior = words.pop("prior", torch.tensor([10, 20, 30, 40]))
    return label_free(lambda: network, target or photos(), words.pop("source", source), prior, **words)  # type: ignore[arg-type]


def test_every_name_can_be_chosen_and_every_choice_has_a_row() -> None:
    assert set(get_args(Choice)) == {"last", *SELECTORS}
    assert [name for name, row in SELECTORS.items() if row.labels == "target"] == ["oracle"]
    assert set(looked(Painter())) == set(LABEL_FREE) == set(SELECTORS) - {"oracle", "source_val"}


def test_more_worth_is_better_whatever_the_direction() -> None:
    assert worth("snd", 2.0) == 2.0
    assert worth("entropy", 2.0) == -2.0
    assert worth("bn_gap", None) is None


def test_entropy_and_mean_prediction_by_hand() -> None:
    network = Painter(2.0)
    found = looked(network)
    shares = torch.cat([network(batch)["out"].softmax(1) for batch in photos()]).double().movedim(1, -1).reshape(-1, K)
    each = -(shares * shares.log()).sum(1).mean().item()
    mean = shares.mean(0)
    assert found["entropy"] == pytest.approx(each, rel=1e-5)
    assert found["infomax"] == pytest.approx(-(mean * mean.log()).sum().item() - each, rel=1e-4)
    norm = np.linalg.svd(shares.detach().numpy(), compute_uv=False).sum() / math.sqrt(len(shares) * K)
    assert found["bnm"] == pytest.approx(norm, rel=1e-5)
    assert found["bnm"] != pytest.approx(norm * 1.01, rel=1e-5)  # negative control


def test_a_network_that_says_one_thing_is_sure_and_worthless() -> None:
    """Collapse: entropy alone falls for it; what asks for many classes does not."""
    alive, dead = looked(Painter(3.0)), looked(Painter(0.1, (50.0, 0.0, 0.0, 0.0)))
    better = {name for name in LABEL_FREE if (worth(name, alive[name]) or 0) > (worth(name, dead[name]) or 0)}
    assert {"infomax", "bnm", "prior_distance"} <= better
    assert "entropy" not in better


@pytest.mark.parametrize(
    ("one", "other", "bits"),
    [((0.5, 0.5, 0), (0.5, 0.5, 0), 0.0), ((1, 0, 0), (0, 0.5, 0.5), 1.0), ((1, 0, 0), (0.5, 0.5, 0), 0.311278)],
)
def test_distance_of_shares(one: tuple[float, ...], other: tuple[float, ...], bits: float) -> None:
    values = torch.tensor(one, dtype=torch.float64), torch.tensor(other, dtype=torch.float64)
    assert jensen_shannon(*values).item() == pytest.approx(bits, abs=1e-6)
    assert jensen_shannon(*values[::-1]).item() == pytest.approx(bits, abs=1e-6)


def brute_density(rows: np.ndarray, mask_self: bool = True) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    total = 0.0
    for i in range(len(rows)):
        likeness = [math.exp(unit[i] @ unit[j] / TEMPERATURE) for j in range(len(rows)) if j != i or not mask_self]
        chances = np.array(likeness) / sum(likeness)
        total -= (chances * np.log(chances)).sum()
    return total / len(rows)


def test_soft_neighbourhood_density_pixel_by_pixel() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(2, 12, K, generator=generator, dtype=torch.float64).mul(4).softmax(2)
    found = density(probabilities)
    for value, rows in zip(found, probabilities, strict=True):
        assert value.item() == pytest.approx(brute_density(rows.numpy()), rel=1e-9)
        assert value.item() != pytest.approx(brute_density(rows.numpy(), mask_self=False), rel=1e-3)  # negative control
    alike = torch.full((1, 12, K), 0.25, dtype=torch.float64)
    assert density(alike).item() == pytest.approx(math.log(11))


def test_predicted_accuracy_is_the_sources_own_on_the_source() -> None:
    sureness = torch.linspace(-1, 0, 100)
    for right in (0, 1, 37, 100):
        found = expected_accuracy(sureness, torch.tensor(right), torch.tensor(100), sureness)
        assert found.item() == pytest.approx(right / 100)
    void = torch.cat([sureness, torch.full((50,), torch.inf)])
    half = expected_accuracy(void, torch.tensor(50), torch.tensor(100), sureness)
    assert half.item() == pytest.approx(0.5)
    assert expected_accuracy(void, torch.tensor(50), torch.tensor(150), sureness).item() != pytest.approx(0.5)
    assert expected_accuracy(sureness, torch.tensor(60), torch.tensor(100), sureness - 0.5).item() < 0.6
    assert math.isnan(expected_accuracy(sureness, torch.tensor(0), torch.tensor(0), sureness).item())


def test_predicted_accuracy_ignores_void_and_follows_the_labels() -> None:
    network, images = Painter(2.0).eval(), photos(seed=1)
    guess = [network(batch)["out"].argmax(1).to(torch.uint8) for batch in images]
    void = [g.clone() for g in guess]
    for g in void:
        g[:, ::2] = 255
    wrong = [(g + 1) % K for g in guess]
    for labels, expected in ((guess, 1.0), (void, 1.0), (wrong, 0.0)):
        found = looked(network, target=images, source=list(zip(images, labels, strict=True)))
        assert found["atc"] == pytest.approx(expected, abs=0.02)


def test_statistics_that_fit_have_no_gap() -> None:
    network = Painter()
    far = looked(network, target=[batch * 3 + 2 for batch in photos()])["bn_gap"]
    batches = torch.cat(photos())
    network.norm.running_mean = batches.mean((0, 2, 3))
    network.norm.running_var = batches.var((0, 2, 3), correction=0)
    near = looked(network)["bn_gap"]
    assert near == pytest.approx(0, abs=1e-6)
    assert far is not None
    assert far > 0.2
    same = torch.tensor([1.0]), torch.tensor([2.0])
    assert hellinger(*same, *same, 0.0).item() == pytest.approx(0)
    assert hellinger(*same, torch.tensor([99.0]), torch.tensor([2.0]), 0.0).item() == pytest.approx(1)


def test_a_network_without_running_statistics_has_no_gap_and_without_a_teacher_no_agreement() -> None:
    network = Painter()
    network.norm = nn.InstanceNorm2d(3)  # type: ignore[assignment]
    found = looked(network)
    assert (found["bn_gap"], found["agreement"]) == (None, None)
    assert looked(network, teacher=copy.deepcopy(network))["agreement"] == 1.0
    other = looked(network, teacher=Painter(1.0, (0.0, 5.0, 0.0, 0.0)))["agreement"]
    assert other is not None
    assert other < 1


def test_consistency_is_whole_for_a_blind_network_alone() -> None:
    assert looked(Painter(0.0, (0.0, 1.0, 0.0, 0.0)))["consistency"] == 1.0
    seeing = looked(Painter(5.0))["consistency"]
    assert seeing is not None
    assert 0.3 < seeing < 1


def test_what_is_not_finite_is_no_score() -> None:
    network = Painter()
    network.head.weight.data.fill_(float("nan"))
    assert set(looked(network, teacher=network).values()) == {None}
    assert set(label_free(lambda: network, [], [], torch.ones(K, dtype=torch.int64)).values()) == {None}
    assert looked(Painter(), prior=torch.zeros(K, dtype=torch.int64))["prior_distance"] is None


def test_looking_changes_nothing_and_always_says_the_same() -> None:
    network = Painter().train()
    network.norm.eval()
    before, drawn = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    source: list[tuple[Tensor, Tensor]] = []
    first = label_free(lambda: network, photos(), source, torch.ones(K, dtype=torch.int64))
    second = label_free(lambda: network, photos(), source, torch.ones(K, dtype=torch.int64))
    assert first == second
    assert first["atc"] is None
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert (network.training, network.head.training, network.norm.training) == (True, True, False)
    assert not network.norm._forward_pre_hooks


def test_batches_do_not_matter() -> None:
    network, images = Painter(2.0), torch.cat(photos())
    whole, parts = looked(network, target=[images]), looked(network, target=list(images.split(1)))
    for name in set(LABEL_FREE) - {"consistency", "agreement"}:  # colours are drawn for a batch
        assert whole[name] == pytest.approx(parts[name], rel=1e-4), name


def test_the_host_reads_the_device_only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        real = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda self, *a, n=name, f=real, **k: (reads.append(n), f(self, *a, **k))[1])

    def counted(batches: int) -> int:
        target = [photos()[0]] * batches
        labels = [(batch, torch.zeros(3, 16, 16, dtype=torch.uint8)) for batch in target]
        reads.clear()
        label_free(Painter, target, labels, torch.ones(K, dtype=torch.int64))
        jitter = 3 * batches  # draws of colours are made on the CPU
        return len([name for name in reads if name != "tolist"]) + max(0, reads.count("tolist") - jitter)

    assert counted(1) == counted(4)
    reads.clear()
    torch.zeros(1).item()
    assert reads == ["item"]  # negative control


def test_large_images_are_thinned_and_labels_go_with_them() -> None:
    assert thinned(torch.zeros(2, K, 3 * SIDE, SIDE - 1)).shape == (2, K, SIDE, SIDE - 1)
    assert max(thinned(torch.zeros(1, 1, side, side)).shape[-1] for side in range(1, 1000, 7)) < 2 * SIDE
    labels = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    assert torch.equal(labels_at(labels, (8, 8)), labels.long())
    assert torch.equal(labels_at(labels, (4, 4)), labels[:, 1::2, 1::2].long())


@pytest.mark.parametrize(("number", "looked_at"), [(1, 1), (64, 64), (65, 33), (1000, 63)])
def test_a_bounded_number_of_images_is_looked_at(number: int, looked_at: int) -> None:
    assert len(range(number)[spread(number)]) == looked_at <= IMAGES
