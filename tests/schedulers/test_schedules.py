"""Learning-rate shapes against published figures and torch's own, and their behaviour at the ends."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from bench import names
from bench.schedulers import SCHEDULERS
from bench.schedulers.constant import constant
from bench.schedulers.cosine import cosine
from bench.schedulers.cyclic import cyclic
from bench.schedulers.linear import linear
from bench.schedulers.one_cycle import one_cycle
from bench.schedulers.poly import poly
from bench.schedulers.steps import multistep, step
from bench.spec import BenchError, Component

STEPS = 40


@pytest.mark.parametrize(("at", "lr"), [(0, 0.01), (100, 0.009095), (500, 0.005359), (900, 0.001259), (999, 2.0e-5)])
def test_poly_gives_the_published_rates(at: int, lr: float) -> None:
    assert 0.01 * poly()(at / 1000) == pytest.approx(lr, rel=5e-3)


def test_a_straight_line_is_not_taken_for_the_default() -> None:
    assert 0.01 * poly(power=1.0)(0.5) != pytest.approx(0.005359, rel=5e-3)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_shape_is_a_number_of_0_to_1_before_and_after_the_end(name: str) -> None:
    shape = names.build("scheduler", Component(name=name))
    assert shape(0.0) == {"cyclic": 0.01, "one_cycle": 0.04}.get(name, 1.0)
    for progress in (0.0, 0.25, 0.3, 0.999, 1.0, 1.5):
        assert isinstance(shape(progress), float)
        assert 0.0 <= shape(progress) <= 1.0
    assert shape(1.5) == shape(1.0)


def test_poly_falls_all_the_way_and_its_last_step_still_learns() -> None:
    rates = [poly()(at / 50) for at in range(50)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0 == poly()(1.0) == poly(power=0.0)(1.0)


def test_constant_is_one_everywhere() -> None:
    assert {constant()(at / 7) for at in range(7)} == {1.0}


def torchs(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]) -> list[float]:
    """The rates that torch's schedule gives an optimizer of rate 1 at each of STEPS updates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, rates = make(optimizer), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no update was made
        for _ in range(STEPS):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            schedule.step()
    return rates


def onecycle(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    # Its peak lies at pct_start * total - 1 and its end at total - 1: one more step brings both where ours are.
    return lr_scheduler.OneCycleLR(
        optimizer, 1.0, STEPS + 1, pct_start=11 / 41, div_factor=25, final_div_factor=4e3, cycle_momentum=False
    )


TORCHS = {
    "cosine": (cosine(), lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS)),
    "cosine with a floor": (cosine(floor=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.1)),
    "linear": (linear(floor=0.2), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, STEPS)),
    "step": (step(every=0.25, gamma=0.5), lambda o: lr_scheduler.StepLR(o, STEPS // 4, 0.5)),
    "step of a tenth": (step(every=0.1), lambda o: lr_scheduler.StepLR(o, STEPS // 10, 0.1)),
    "multistep": (multistep(at=(0.3, 0.7)), lambda o: lr_scheduler.MultiStepLR(o, [12, 28], 0.1)),
    "cyclic": (
        cyclic(half=0.125, low=0.1),
        lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, step_size_up=STEPS // 8, cycle_momentum=False),
    ),
    "one_cycle": (one_cycle(), onecycle),
}


@pytest.mark.parametrize("name", TORCHS)
def test_a_shape_is_torch_s_of_the_same_name(name: str) -> None:
    shape, theirs = TORCHS[name]
    assert [shape(at / STEPS) for at in range(STEPS)] == pytest.approx(torchs(theirs), abs=1e-12)


def test_another_shape_is_told_apart() -> None:
    assert [cosine()(at / STEPS) for at in range(STEPS)] != pytest.approx(torchs(TORCHS["linear"][1]), abs=1e-2)


def test_shares_that_are_no_round_binary_numbers_fall_where_they_say() -> None:
    tenths = [step(every=0.1, gamma=0.5)(n / 10) for n in range(10)]
    assert tenths == [0.5**n for n in range(10)]
    assert 0.3 / 0.1 < 3  # why that takes care
    assert [multistep(at=(0.1, 0.6), gamma=0.5)(n * 0.1) for n in (1, 3, 6)] == [0.5, 0.5, 0.25]


def test_one_cycle_has_fastai_s_ends_and_its_peak_after_a_quarter() -> None:
    shape = one_cycle()
    assert (shape(0.0), shape(0.25), shape(1.0)) == (1 / 25, 1.0, pytest.approx(1e-5))
    assert shape(0.125) == pytest.approx((1 + 1 / 25) / 2)
    rates = [shape(at / 100) for at in range(101)]
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_cyclic_is_at_its_ends_every_half() -> None:
    assert [cyclic(half=0.25, low=0.01)(n / 4) for n in range(5)] == pytest.approx([0.01, 1, 0.01, 1, 0.01])


WRONG = [
    *(("poly", "power", value) for value in (-0.1, math.nan, math.inf)),
    *((name, "floor", value) for name in ("cosine", "linear", "plateau") for value in (-0.1, 1.1, math.nan)),
    *(("step", "every", value) for value in (0.0, 1.0, -1.0, math.nan)),
    *((name, "gamma", value) for name in ("step", "multistep") for value in (-0.1, 1.5, math.nan)),
    *(("multistep", "at", value) for value in ((), (0.5, 0.5), (0.7, 0.2), (0.0,), (1.0,), (math.nan,))),
    *(("one_cycle", "rise", value) for value in (0.0, 1.0, math.nan)),
    *(("one_cycle", end, value) for end in ("first", "last") for value in (-1.0, 2.0)),
    *(("cyclic", "half", value) for value in (0.0, 1.5)),
    *(("cyclic", "low", value) for value in (-0.1, 2.0)),
    *(("plateau", "factor", value) for value in (0.0, 1.0)),
    ("plateau", "patience", -1),
    ("plateau", "min_gain", -0.1),
]


@pytest.mark.parametrize(("name", "option", "value"), WRONG)
def test_numbers_out_of_range_are_refused_by_name(name: str, option: str, value: object) -> None:
    build = names.load(SCHEDULERS[name])
    with pytest.raises(BenchError, match=option) as caught:
        build(**{option: value})
    assert caught.value.key == f"scheduler.{option}"
    assert caught.value.remedy
