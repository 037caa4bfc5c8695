"""Predictors with known scores: right counting passes, and whatever may be wrong with it ends a sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.evaluate import counting
from bench.run import canaries
from bench.run.canaries import sing
from bench.run.checking import check
from bench.run.place import Place
from bench.spec import IGNORE, BenchError, DatasetInfo, ExitCode, PlannedRun
from bench.store import Store


class Drawn:
    """A dataset of given labels."""

    domain, split = "here", "test"

    def __init__(self, classes: int, *labels: np.ndarray) -> None:
        names = tuple(f"c{k}" for k in range(classes))
        palette = tuple((k, k, k) for k in range(classes))
        self.info = DatasetInfo(
            name="drawn",
            label="drawn",
            domains=("here",),
            class_names=names,
            palette=palette,
            licence="",
            source="",
            needs_files=False,
        )
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def image_name(self, index: int) -> str:
        return str(index)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        label = self.labels[index]
        return np.zeros((*label.shape, 3), np.uint8), label

    def digest(self) -> str:
        return ""


def labels(classes: int, seed: int = 0, void: float = 0.1, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = rng.choice(classes, size, p=rng.dirichlet(np.ones(classes))).astype(np.uint8)
    drawn[rng.random(size) < void] = IGNORE
    return drawn


@pytest.mark.parametrize("classes", [1, 2, 7, 19, 180])
def test_right_counting_passes(classes: int) -> None:
    for seed in range(4):
        sing(Drawn(classes, *(labels(classes, 10 * seed + i) for i in range(4))))


@pytest.mark.parametrize(
    "label",
    [
        np.full((4, 4), IGNORE, np.uint8),
        np.zeros((4, 4), np.uint8),
        np.array([[3]], np.uint8),
        np.array([[0, IGNORE]], np.uint8),
    ],
    ids=["void", "one class", "one pixel", "one pixel and void"],
)
def test_labels_at_the_edge_pass(label: np.ndarray) -> None:
    sing(Drawn(5, label))


def test_closed_forms_by_hand() -> None:
    found = {name: (low, high) for name, _, low, high in canaries.canaries(np.array([30, 10, 0]))}
    assert found["constant (class 0)"] == (0.75 / 2, 0.75 / 2)
    assert found["constant (class 2)"] == (0.0, 0.0)
    assert found["ground-truth copy"] == (1.0, 1.0)
    assert found["shifted-label"] == (0.0, 0.0)
    many = np.array([3_000_000, 1_000_000])
    low, high = next((a, b) for name, _, a, b in canaries.canaries(many) if name == "prior")
    exact = np.mean([p / (2 - p) for p in (0.75, 0.25)])  # p^2 / (2 p - p^2)
    assert low < exact < high
    assert high - low < 0.01


def _wrong_ignore(winners: Tensor, label: Tensor, k: int) -> Tensor:
    return REAL(winners, torch.where(label == 0, IGNORE, label).to(torch.uint8), k)


def _void_is_a_class(winners: Tensor, label: Tensor, k: int) -> Tensor:
    return REAL(winners, torch.where(label == IGNORE, 0, label).to(torch.uint8), k)


def _labels_off_by_one(winners: Tensor, label: Tensor, k: int) -> Tensor:
    return REAL(winners, torch.where(label == IGNORE, label, (label + 1) % k).to(torch.uint8), k)


def _guesses_off_by_one(winners: Tensor, label: Tensor, k: int) -> Tensor:
    return REAL(((winners.long() - 1) % k).to(torch.uint8), label, k)


def _transposed(winners: Tensor, label: Tensor, k: int) -> Tensor:
    table = REAL(winners, label, k)
    table[1:-1] = table[1:-1].T.clone()
    return table


def _last_class_lost(winners: Tensor, label: Tensor, k: int) -> Tensor:
    table = REAL(winners, label, k)
    table[-2] = 0
    return table


REAL = counting._table
WRONG: list[Callable[[Tensor, Tensor, int], Tensor]] = [
    _wrong_ignore,
    _void_is_a_class,
    _labels_off_by_one,
    _guesses_off_by_one,
    _transposed,
    _last_class_lost,
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda f: f.__name__[1:])
def test_wrong_counting_ends_a_sweep(wrong: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_table", wrong)
    with pytest.raises(
        BenchError, match=r"on labels of drawn/here the .* predictor scores .* and must score"
    ) as caught:
        sing(Drawn(7, labels(7, 1), labels(7, 2)))
    assert caught.value.code == ExitCode.INTERNAL


def test_labels_that_begin_at_one_are_told() -> None:
    with pytest.raises(BenchError, match=r"label 7 .*is no class") as caught:
        sing(Drawn(7, labels(7, void=0) + np.uint8(1)))
    assert caught.value.code == ExitCode.DATA


def test_a_score_that_is_another_mean_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canaries, "miou", lambda counts: 0.5)
    with pytest.raises(BenchError, match="must score"):
        sing(Drawn(7, labels(7)))


def test_the_check_before_a_sweep_sings(
    planned: Callable[..., PlannedRun], results: Path, four_convs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(store=Store(results), sweep="test", workers=1)
    config = planned(model=four_convs).config
    sung: list[str] = []
    monkeypatch.setattr("bench.run.checking.sing", lambda dataset: sung.append(f"{dataset.domain} {dataset.split}"))
    check([config, config.model_copy(update={"seed": 1})], place)
    assert sung == ["urban test", "rural test"]
    monkeypatch.setattr("bench.run.checking.sing", sing)
    monkeypatch.setattr(counting, "_table", _labels_off_by_one)
    with pytest.raises(BenchError, match=r"landcover/urban"):
        check([config], place)
