"""Labels of the target reach nobody but the evaluator: random ones leave training, choosing and weights as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench import checkpoint, names
from bench.cache import Cache
from bench.datasets.landcover import Landcover
from bench.methods import METHODS
from bench.methods.method import Loss, Method, Setting
from bench.models.segmodel import SegModel
from bench.run.attempt import attempt
from bench.run.place import Place
from bench.run.training import Run
from bench.scores import miou
from bench.spec import Component, MethodSpec, PlannedRun, RunRecord
from bench.store import Store

Make = Callable[..., PlannedRun]
SEES_LABELS = ("oracle", "joint")
BLIND = [name for name in METHODS if name not in (*SEES_LABELS, "combined")]
SOURCE, TARGET = "landcover/urban", "landcover/rural"


@pytest.fixture
def planned(planned: Make, four_convs: str) -> Make:
    dataset = {"name": "landcover", "tile_px": 32, "train_tiles": 4, "val_tiles": 2, "test_tiles": 2}
    small = {"model": four_convs, "dataset": dataset, "target": "rural", "crop_px": (32, 32), "steps": 4}
    return lambda **changes: planned(**{**small, "evaluate_every": 2, "choose": "snd", **changes})


@pytest.fixture
def place(results: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    monkeypatch.setattr("bench.run.training.training_macs", lambda *_: None)
    return Place(store=Store(results), sweep="test", workers=1)


def went(run: PlannedRun, place: Place) -> tuple[RunRecord, Mapping[str, Tensor]]:
    """The record of a run in a store of its own, and the weights that it chose."""
    *_, record = attempt(run, place)
    assert isinstance(record, RunRecord), record
    state = checkpoint.load(place.store.run_folder(run.run_id) / "chosen.pt", run_id=run.run_id)
    return record, state["model"]


def elsewhere(place: Place, folder: Path) -> Place:
    return replace(place, store=Store(folder / "results"), cache=Cache())


def poison(monkeypatch: pytest.MonkeyPatch, splits: tuple[str, ...] = ("train", "target", "val", "test")) -> None:
    """Labels of the target become random numbers, in `target` too, where a dataset should give none."""
    real = Landcover.read

    def read(self: Landcover, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels = real(self, index)
        if self.domain == "rural" and self.split in splits:
            labels = np.random.default_rng(index).integers(0, 7, labels.shape).astype(np.uint8)
        return image, labels

    monkeypatch.setattr(Landcover, "read", read)


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def seen(record: RunRecord) -> dict[str, Any]:
    """All that training and choosing left in a record; scores on the target are the evaluator's."""
    told = record.model_dump(mode="json", include={"history", "chosen_step", "weights_sha256"})
    along = [(e.step, e.label_free, e.confusion[SOURCE]) for e in record.evaluations]
    return {**told, "along": along, "source": record.confusion[SOURCE]}


@pytest.mark.parametrize("method", BLIND)
def test_random_target_labels_change_nothing(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    run = planned(method=method)
    clean, weights = went(run, place)
    poison(monkeypatch)
    poisoned, others = went(run, elsewhere(place, tmp_path / "b"))
    assert seen(clean) == seen(poisoned)
    assert same(weights, others)
    assert clean.confusion[TARGET] != poisoned.confusion[TARGET]  # the poison was there to be had


@pytest.mark.parametrize("choose", ["source_val", "entropy", "infomax", "bnm", "consistency", "prior_distance", "atc"])
def test_no_rule_but_the_oracles_looks_at_target_labels(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choose: str
) -> None:
    run = planned(choose=choose, evaluate_every=1)
    clean, weights = went(run, place)
    poison(monkeypatch)
    poisoned, others = went(run, elsewhere(place, tmp_path / "b"))
    assert seen(clean) == seen(poisoned)
    assert same(weights, others)


def test_the_oracles_choice_is_by_target_labels(planned: Make, place: Place) -> None:
    """Negative control of the rule above: this one does look, and says so by its name."""
    record, _ = went(planned(choose="oracle", evaluate_every=1, steps=5), place)
    scores = {e.step: miou(e.confusion[TARGET]) or 0.0 for e in record.evaluations}
    assert record.chosen_step == max(scores, key=lambda step: (scores[step], -step))


@pytest.mark.parametrize("choose", ["entropy", "infomax", "snd", "bn_gap"])
def test_the_best_by_a_score_is_chosen(planned: Make, place: Place, choose: str) -> None:
    record, _ = went(planned(choose=choose, evaluate_every=1, steps=5), place)
    scores = {e.step: e.label_free[choose] for e in record.evaluations}
    best = min if choose in ("entropy", "bn_gap") else max
    assert scores[record.chosen_step] == best(v for v in scores.values() if v is not None)
    assert record.seconds["selection"] >= 0


@pytest.mark.parametrize("at", [2, 3])
def test_a_stopped_run_chooses_as_one_that_was_not(planned: Make, place: Place, tmp_path: Path, at: int) -> None:
    run = planned(method="dacs", choose="agreement", evaluate_every=2, steps=6)
    wish: list[bool] = []
    whole, weights = went(run, place)
    other = elsewhere(place, tmp_path / "b")
    for event in attempt(run, replace(other, stop=lambda: bool(wish))):
        wish.extend([True] * (getattr(event, "step", None) == at))
    resumed, others = went(run, other)
    assert resumed.resumed_at == (at,)
    assert seen(resumed) == seen(whole)
    assert same(weights, others)


def test_nan_never_wins(planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    worths = iter([0.3, None, 0.7, None, 0.1])
    monkeypatch.setattr("bench.run.training.merit", lambda *_: next(worths))
    assert went(planned(evaluate_every=1, steps=5), place)[0].chosen_step == 3


def test_a_rule_that_never_had_a_score_takes_the_last_and_says_so(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.training.merit", lambda *_: None)
    with pytest.warns(UserWarning, match="`choose: snd` never had a score"):
        record, _ = went(planned(), place)
    assert record.chosen_step == 4


# ------------------------------------------------------------------ a method that peeks


class Peeking(Method):
    """Opens the target's labelled split by itself and learns which class is most frequent there."""

    needs_target = True

    def attach(self, model: SegModel, setting: Setting) -> None:
        part = Component(name="landcover", options={"tile_px": 32, "train_tiles": 4, "val_tiles": 2, "test_tiles": 2})
        labels = names.build("dataset", names.resolve("dataset", part), None, "rural", "train").read(0)[1]
        self.shares = np.bincount(labels.ravel(), minlength=256)[:7] / labels.size

    def losses(self, model: SegModel, batch: Any) -> Iterator[tuple[str, Tensor]]:
        outputs = model(batch.images)
        yield "segmentation", self.loss(outputs, batch.labels)
        mean = model(batch.target_images)["out"].softmax(1).mean((0, 2, 3))
        yield "peek", (mean - torch.tensor(self.shares, dtype=torch.float32)).square().sum()


def peeking(loss: Loss, num_classes: int) -> Peeking:
    """A method that breaks the rule."""
    return Peeking(loss)


def test_a_method_that_peeks_is_caught(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test of all methods."""
    spec = MethodSpec("test_firewall:peeking", "", "", "images", "", "")
    monkeypatch.setitem(METHODS, "peeking", spec)
    run = planned(method="peeking")
    clean, weights = went(run, place)
    poison(monkeypatch)
    poisoned, others = went(run, elsewhere(place, tmp_path / "b"))
    assert seen(clean) != seen(poisoned)
    assert not same(weights, others)
    names.entry.cache_clear()


# ------------------------------------------------------------------ what is opened at all


@pytest.mark.parametrize("method", [*BLIND, *SEES_LABELS])
def test_a_record_names_every_split_that_was_opened(planned: Make, place: Place, method: str) -> None:
    record, _ = went(planned(method=method, choose="last", steps=1), place)
    labelled = {"oracle": {f"{TARGET}:train"}, "joint": {f"{SOURCE}:train", f"{TARGET}:train"}}
    scored = {f"{domain}:{split}" for domain in (SOURCE, TARGET) for split in ("val", "test")}
    trained = labelled.get(method, {f"{SOURCE}:train"})
    assert set(record.data_digests) == trained | scored | {f"{TARGET}:target"}


def test_a_target_that_is_not_scored_is_not_opened_with_labels(planned: Make, place: Place) -> None:
    record, _ = went(planned(method="dacs", evaluate_on=("urban",)), place)
    assert {place for place in record.data_digests if place.startswith(TARGET)} == {f"{TARGET}:target"}
    assert record.evaluations[0].label_free["snd"] is not None


# ------------------------------------------------------------------ purity


def test_source_only_is_the_same_with_and_without_a_target(planned: Make, place: Place, tmp_path: Path) -> None:
    """Weights and BN buffers, though the target is looked at between updates."""
    _, with_target = went(planned(choose="last", evaluate_every=1), place)
    _, without = went(planned(choose="last", evaluate_every=0, target=None), elsewhere(place, tmp_path / "b"))
    assert any("running_mean" in name for name in without)
    assert same(with_target, without)


def test_looking_in_training_mode_would_be_seen(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of purity: the same looking, with BN left in training mode, moves its buffers."""
    from contextlib import nullcontext

    _, without = went(planned(choose="last", evaluate_every=0, target=None), place)
    monkeypatch.setattr("bench.selection.looking.evaluating", lambda module: nullcontext(module.train()))
    _, with_target = went(planned(choose="last", evaluate_every=1), elsewhere(place, tmp_path / "b"))
    assert not same(with_target, without)
