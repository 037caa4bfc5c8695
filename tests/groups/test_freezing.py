"""Stages that rest: no gradient, no step, no decay, statistics still; they learn from their share of the run on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch

import bench.train
from bench import names
from bench.batches import Batch
from bench.groups.by_stage import by_stage
from bench.groups.freezing import freeze, resting, thaw
from bench.methods.teacher import frozen_copy
from bench.models.segmodel import SegModel
from bench.run.macs import training_macs
from bench.spec import Component, PlannedRun
from bench.train import train

STEPS = 10
LATE = 0.35
"""The share that has passed before update 5 of 10, the first that the stem learns from."""


@pytest.fixture
def model(four_convs: str) -> SegModel:
    torch.manual_seed(0)
    found: SegModel = names.build("model", Component(name=four_convs), 3)
    return found


def batches(start: int = 0) -> Iterator[Batch]:
    step = start
    while True:
        draw = torch.Generator().manual_seed(step)
        yield Batch(torch.randn(2, 3, 8, 8, generator=draw), torch.randint(0, 3, (2, 8, 8), generator=draw), step=step)
        step += 1


def optimizer_of(model: SegModel, name: str, **options: Any) -> torch.optim.Optimizer:
    chosen = Component(name=name, options={"lr": 0.01, "weight_decay": 0.1})
    found: torch.optim.Optimizer = names.build("optimizer", chosen, by_stage(model, **options))
    return found


def state(model: SegModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def trained(
    model: SegModel, optimizer: torch.optim.Optimizer, start: int = 0, stop: int = STEPS
) -> list[dict[str, torch.Tensor]]:
    """The model's state after each of the updates `start` + 1 .. `stop` of a run of STEPS."""
    loss = names.build("loss", Component(name="cross_entropy"))
    loop = train(
        model,
        names.build("method", Component(name="source_only"), loss, 3),
        [optimizer],
        batches(start),
        steps=STEPS,
        lr_factor=lambda step: 1.0,
        pause=lambda step: True,
        device=torch.device("cpu"),
        start=start,
    )
    return [state(model) for _ in islice(loop, stop - start)]


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """The stages whose weights or statistics differ."""
    return {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_resting_stage_stands_still_and_learns_from_its_share_on(model: SegModel, name: str) -> None:
    optimizer = optimizer_of(model, name, frozen=("stem",), thaw=LATE)
    states = [state(model), *trained(model, optimizer)]
    changes = [moved(states[n], states[n + 1]) for n in range(STEPS)]
    assert changes[:4] == [{"middle", "head"}] * 4
    assert changes[4:] == [{"stem", "middle", "head"}] * 6
    assert not torch.equal(states[4]["stem.1.running_mean"], states[5]["stem.1.running_mean"])


def test_for_good_is_for_good_and_two_stages_rest_as_well_as_one(model: SegModel) -> None:
    optimizer = optimizer_of(model, "sgd", frozen=("stem", "middle"))
    before = state(model)
    assert moved(before, trained(model, optimizer)[-1]) == {"head"}


def test_statistics_of_bn_move_where_nobody_holds_them(model: SegModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.train, "thaw", lambda model, progress: False)
    optimizer = optimizer_of(model, "sgd", frozen=("stem",))
    before = state(model)
    after = trained(model, optimizer)[-1]  # the loop's model.train() alone
    assert moved(before, after) == {"stem", "middle", "head"}
    still = [name for name in before if name.startswith("stem") and torch.equal(before[name], after[name])]
    assert still == ["stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias"]  # all but the statistics


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("stop", [2, 4, 5, 8])
def test_a_resumed_run_goes_on_to_the_same_weights(model: SegModel, name: str, stop: int) -> None:
    other = copy.deepcopy(model)
    options: dict[str, Any] = {"frozen": ("stem",), "thaw": LATE}
    whole = trained(model, optimizer_of(model, name, **options))[-1]
    first = copy.deepcopy(other)
    optimizer = optimizer_of(first, name, **options)
    saved = trained(first, optimizer, stop=stop)[-1]
    second = optimizer_of(other, name, **options)
    other.load_state_dict(saved)
    second.load_state_dict(optimizer.state_dict())
    assert moved(whole, trained(other, second, start=stop)[-1]) == set()
    assert moved(whole, saved)


def test_thaw_says_when_something_changes_and_then_alone(model: SegModel) -> None:
    freeze(model, ["stem"], 0.5)
    model.train()
    assert [thaw(model, n / 8) for n in range(8)] == [False] * 4 + [True] + [False] * 3
    assert model.stem[1].training  # type: ignore[index]
    assert thaw(model, 0.1)  # back: what it does follows from progress alone
    assert not model.stem[1].training  # type: ignore[index]
    assert model.stem.training  # nothing but norms leaves training mode
    plain = frozen_copy(model)
    assert resting(plain).stages == ("stem",)


def test_a_model_without_resting_stages_is_left_alone(model: SegModel) -> None:
    model.train().requires_grad_(False)
    assert not thaw(model, 0.0)
    assert resting(model).stages == ()
    assert model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_multiply_adds_of_a_run_are_fewer_while_a_stage_rests(
    planned: Callable[..., PlannedRun], model: SegModel
) -> None:
    def macs(**options: Any) -> int:
        config = planned(model="four_convs", steps=STEPS, groups={"name": "by_stage", **options}).config
        return training_macs(config, (16, 16), STEPS) or 0

    whole, never = macs(), macs(frozen=["middle"])
    assert 0 < never < whole
    assert macs(frozen=["middle"], thaw=LATE) == (4 * never + 6 * whole) // STEPS


def test_a_copy_rests_by_itself(model: SegModel) -> None:
    freeze(model, ["stem"], 0.5)
    twin = copy.deepcopy(model)
    assert thaw(twin, 0.6)
    assert all(parameter.requires_grad for parameter in twin.parameters())
    assert not any(parameter.requires_grad for parameter in model.stem.parameters())


def test_evaluation_mode_stays_when_a_stage_thaws(model: SegModel) -> None:
    freeze(model, ["stem"], 0.5)
    model.eval()
    assert thaw(model, 0.6)
    assert not any(module.training for module in model.modules())
