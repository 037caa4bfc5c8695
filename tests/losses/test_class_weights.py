"""Class weights: the rules against their definitions, their way from the labelled split into the loss, and misuse."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from bench import names
from bench.losses.class_weights import RULES, ClassWeights
from bench.losses.cross_entropy import cross_entropy, labelled_mean
from bench.spec import BenchError, Component

COUNTS = torch.tensor([[10, 30, 0, 0], [0, 60, 20, 0], [25, 5, 10, 0]])
"""Pixels of four classes in three images; the last class occurs nowhere."""


def by_loops(rule: str, counts: np.ndarray) -> list[float]:
    """The definitions, word for word; 0 for a class that does not occur."""
    occurs = [k for k in range(counts.shape[1]) if counts[:, k].any()]
    shares = {k: counts[:, k].sum() / counts.sum() for k in occurs}
    if rule == "median_frequency":
        shares = {k: counts[:, k].sum() / sum(row.sum() for row in counts if row[k]) for k in occurs}
        found = {k: np.median(list(shares.values())) / f for k, f in shares.items()}
    elif rule == "inverse":
        found = {k: 1 / (len(occurs) * p) for k, p in shares.items()}
    else:
        found = {k: 1 / np.log(1.02 + p) for k, p in shares.items()}
    return [float(found.get(k, 0.0)) for k in range(counts.shape[1])]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_definition(rule: str) -> None:
    draw = torch.Generator().manual_seed(0)
    drawn = torch.randint(100, (7, 5), generator=draw) * torch.randint(2, (7, 5), generator=draw)
    for counts in (COUNTS, drawn, COUNTS[:1], COUNTS[:, :1]):
        assert RULES[rule](counts.double()).tolist() == pytest.approx(by_loops(rule, counts.numpy()), rel=1e-12)
    assert RULES[rule](torch.zeros(2, 3, dtype=torch.float64)).tolist() == [0, 0, 0]


def test_the_rules_differ() -> None:
    assert len({tuple(RULES[rule](COUNTS.double()).tolist()) for rule in RULES}) == len(RULES)


def test_inverse_weights_leave_a_mean_pixel_with_one() -> None:
    assert (RULES["inverse"](COUNTS.double()) * COUNTS.sum(0)).sum() / COUNTS.sum() == pytest.approx(1)


SPEC = {
    "median_frequency": (0.279, 0.202, 4.787, 0.149, 1.0, 0.422, 3.847, 1.974, 0.789, 6.375, 8.859),
    "log": (5.60, 4.30, 33.6, 3.34, 15.5, 8.74, 31.5, 32.0, 12.8, 38.0, 43.9),
}
"""What is known of CamVid's 367 training images; there median frequencies are shares of all pixels, void included."""


def test_they_are_those_known_of_camvid() -> None:
    root = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "../shared/data"))
    files = sorted((root / "camvid/trainannot").glob("*.png"))
    if not files:
        pytest.skip("no CamVid: set BENCH_DATA to the folder that holds camvid/")
    counts = np.array([np.bincount(np.array(Image.open(file)).ravel(), minlength=12)[:11] for file in files])
    for rule, known in SPEC.items():
        assert RULES[rule](torch.from_numpy(counts).double()).tolist() == pytest.approx(known, rel=6e-3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("listed", [False, True])
def test_a_loss_is_told_the_counts_and_weighs_by_them(rule: str, listed: bool, make_batch: Callable) -> None:
    outputs, labels = make_batch(classes=4)
    component = Component(name="cross_entropy", options={"weights": rule})
    if listed:
        parts = [component.model_dump(), {"name": "ohem", "options": {}}]
        component = Component(name="combined", options={"parts": parts})
    loss = names.build("loss", component)
    with pytest.raises(BenchError, match=f"'{rule}'.*class counts") as caught:
        loss(outputs, labels)
    assert caught.value.key == "loss.weights"
    loss.fit(COUNTS)
    want = labelled_mean(
        outputs["out"], labels, weights=torch.tensor(by_loops(rule, COUNTS.numpy()), dtype=torch.float64)
    )
    if listed:
        want = want + names.build("loss", Component(name="ohem"))(outputs, labels)
    assert loss(outputs, labels).item() == pytest.approx(want.item(), rel=1e-12)


def test_a_loss_without_a_rule_takes_counts_and_does_nothing_with_them(make_batch: Callable) -> None:
    outputs, labels = make_batch(classes=4)
    loss = cross_entropy(weights=[1.0, 2.0, 3.0, 4.0])
    before = loss(outputs, labels)
    loss.fit(COUNTS)
    assert loss(outputs, labels) == before


@pytest.mark.parametrize(("name", "option"), [("cross_entropy", "weights"), ("focal", "alpha")])
def test_weights_for_another_number_of_classes_are_refused(name: str, option: str, make_batch: Callable) -> None:
    outputs, labels = make_batch(classes=5)
    with pytest.raises(BenchError, match="4 numbers, and there are 5 classes") as caught:
        names.build("loss", Component(name=name, options={option: [1, 2, 3, 4]}))(outputs, labels)
    assert caught.value.key == f"loss.{option}"
    assert "\n" not in str(caught.value)


def test_unit_weights_are_none_and_a_common_factor_is_nothing(make_batch: Callable) -> None:
    for stride in (1, 8):
        outputs, labels = make_batch(stride=stride)
        plain = cross_entropy()(outputs, labels).item()
        assert cross_entropy(weights=[1.0] * 5)(outputs, labels).item() == pytest.approx(plain, rel=1e-12)
        some = cross_entropy(weights=[1.0, 2.0, 0.0, 4.0, 5.0])(outputs, labels).item()
        assert cross_entropy(weights=[3.0, 6.0, 0.0, 12.0, 15.0])(outputs, labels).item() == pytest.approx(some)
        assert some != pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_of_no_weight_alone_are_nothing_to_learn_from(smoothing: float, make_batch: Callable) -> None:
    outputs, labels = make_batch()
    labels = torch.where(labels == 255, 255, 2)
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0])
    assert F.cross_entropy(torch.randn(1, 5), torch.tensor([2]), weight=weights).isnan()
    value = cross_entropy(weights=weights.tolist(), label_smoothing=smoothing)(outputs, labels)
    value.backward()
    assert value == 0
    assert not outputs["out"].grad.any()


def test_weights_follow_the_logits_to_their_type_and_device() -> None:
    weights = ClassWeights([1, 2])
    for dtype in (torch.float32, torch.float64, torch.float32):
        assert weights.of(torch.empty(1, 2, 3, 3, dtype=dtype)).dtype == dtype
    assert weights.of(torch.empty(1, 2, 3, 3)) is weights.of(torch.empty(1, 2, 3, 3))  # copied once, not every step
    assert weights.of(torch.empty(1, 2, 3, 3, device="meta")).device.type == "meta"
