"""Momentum that mirrors the rate of one cycle: torch's own, step by step, in the loop and in a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from bench import names
from bench.batches import Batch
from bench.methods.method import Method
from bench.models.segmodel import SegModel
from bench.names.code import code_digests
from bench.optimizers.adamw import adamw
from bench.optimizers.rate import set_momentum
from bench.optimizers.sgd import sgd
from bench.run.attempt import attempt
from bench.run.checking import check
from bench.run.parts import build_parts
from bench.run.place import Place
from bench.run.rates import Rates
from bench.run.training import Run
from bench.schedulers.one_cycle import one_cycle
from bench.spec import BenchError, Failure, PlannedRun, RunRecord
from bench.store import Store
from bench.train import train

Make = Callable[..., PlannedRun]
STEPS = 40
MIRRORED = {"name": "one_cycle", "momentum": [0.85, 0.95]}


def momentum_of(optimizer: torch.optim.Optimizer) -> float:
    group = optimizer.param_groups[0]
    return float(group["betas"][0] if "betas" in group else group["momentum"])


def torchs(build: Any) -> list[tuple[float, float]]:
    """(rate, momentum) that OneCycleLR gives an optimizer of rate 1 at each of STEPS updates and after the last."""
    optimizer = build([{"params": [torch.nn.Parameter(torch.zeros(1))]}], lr=1.0)
    schedule = lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=STEPS + 1, pct_start=11 / 41, div_factor=25, final_div_factor=4000
    )
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nothing is updated here
        for _ in range(STEPS + 1):
            found.append((optimizer.param_groups[0]["lr"], momentum_of(optimizer)))
            if len(found) <= STEPS:
                schedule.step()
    return found


@pytest.mark.parametrize("build", [sgd, adamw])
@pytest.mark.parametrize("swap", [False, True])
def test_rate_and_momentum_are_those_of_torch(build: Any, swap: bool) -> None:
    shape: Any = one_cycle(momentum=(0.85, 0.95))
    ours = []
    for at in range(STEPS + 1):
        optimizer = build([{"params": [torch.nn.Parameter(torch.zeros(1))]}], lr=1.0)
        set_momentum(optimizer, shape.momentum(1 - at / STEPS if swap else at / STEPS))
        ours.append((shape(at / STEPS), momentum_of(optimizer)))
    theirs = torchs(build)
    same = all(mine == pytest.approx(other, abs=1e-9) for mine, other in zip(ours, theirs, strict=True))
    assert same is not swap  # turned round in time it is another


def test_momentum_is_least_where_the_rate_is_greatest() -> None:
    shape: Any = one_cycle(momentum=(0.8, 0.9))
    assert (shape.momentum(0.0), shape.momentum(0.25), shape.momentum(1.0)) == pytest.approx((0.9, 0.8, 0.9))
    assert [shape(at / 9) for at in range(10)] == [one_cycle()(at / 9) for at in range(10)]
    assert not hasattr(one_cycle(), "momentum")


@pytest.mark.parametrize("pair", [(0.0, 0.9), (0.8, 1.0), (-1.0, 0.9), (0.95, 0.85)])
def test_momenta_out_of_range_are_refused(pair: tuple[float, float]) -> None:
    with pytest.raises(BenchError, match="momentum is"):
        one_cycle(momentum=pair)


class Watching(Method):
    """Notes the momentum of every optimizer at each step."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, ...]] = []
        self.all: tuple[torch.optim.Optimizer, ...] = ()

    def losses(self, model: SegModel, batch: Batch) -> Any:
        self.seen.append(tuple(map(momentum_of, self.all)))
        return iter(())


def test_the_loop_moves_the_first_optimizer_s_alone(planned: Make, four_convs: str) -> None:
    config = planned(model=four_convs, steps=8, scheduler=MIRRORED, schedule_by="epoch").config
    parts, method = build_parts(config, torch.device("cpu")), Watching()
    own = adamw([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    method.all = (*parts.optimizers, own)
    rates = Rates(config, parts.shape, 8, 2)
    batch = Batch(torch.zeros(1), torch.zeros(1))
    loop = train(
        parts.model,
        method,
        method.all,
        iter([batch] * 8),
        steps=8,
        lr_factor=rates.factor,
        momentum=rates.momentum,
        pause=lambda step: False,
        device=torch.device("cpu"),
    )
    list(loop)
    shape: Any = parts.shape
    assert method.seen == [(shape.momentum((at - at % 2) / 8), 0.9) for at in range(8)]
    assert len({first for first, _ in method.seen}) > 1


@pytest.fixture
def place(results: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    return Place(store=Store(results), sweep="test", workers=1)


@pytest.fixture
def small(planned: Make, four_convs: str) -> Make:
    tiles = {"name": "landcover", "tile_px": 32, "train_tiles": 8, "val_tiles": 2, "test_tiles": 2}
    fields = {"model": four_convs, "dataset": tiles, "crop_px": (32, 32), "steps": 6}
    return lambda **changes: planned(**{**fields, **changes})


def finished(run: PlannedRun, place: Place, at: int | None = None) -> Any:
    wish: list[bool] = []
    last: Any = None
    for last in attempt(run, replace(place, stop=lambda: bool(wish))):
        if at is not None and getattr(last, "step", 0) >= at:
            wish.append(True)
    return last


def test_a_run_goes_by_it_and_a_resumed_one_too(small: Make, place: Place, tmp_path: Path) -> None:
    plain, run = small(scheduler="one_cycle"), small(scheduler=MIRRORED)
    losses = [finished(each, place).history.losses for each in (plain, run)]
    assert losses[0] != losses[1]
    other = replace(place, store=Store(tmp_path / "b" / "results"))
    assert isinstance(finished(run, other, at=3), Failure)
    again = finished(run, other)
    assert isinstance(again, RunRecord)
    assert again.resumed_at == (3,)
    assert again.history.losses == losses[1]


def test_left_out_it_changes_no_id_and_no_code_that_counts(small: Make) -> None:
    plain, run = small(scheduler="one_cycle"), small(scheduler=MIRRORED)
    assert small(scheduler={"name": "one_cycle", "momentum": None}).run_id == plain.run_id != run.run_id
    constant = small(scheduler="constant").config
    assert code_digests(plain.config)["loop"] == code_digests(constant)["loop"]
    assert code_digests(run.config)["loop"] != code_digests(constant)["loop"]  # `bench.run.rates` carries it
    assert names.resolve_config(plain.config) == plain.config


def test_an_optimizer_without_momentum_is_refused_before_anything_runs(small: Make, place: Place) -> None:
    run = small(scheduler=MIRRORED, optimizer={"name": "sgd", "momentum": 0.0})
    with pytest.raises(BenchError, match="moves the momentum, and this optimizer has none; give it momentum"):
        check([run.config], place)
    check([small(scheduler=MIRRORED).config], place)
