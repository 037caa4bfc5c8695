"""A run's factor at every step: schedule, warm-up, epochs, an early end, scores; and the rules of recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench import names
from bench.names.recipe_rules import check_recipe
from bench.run.attempt import attempt
from bench.run.place import Place
from bench.run.rates import Rates
from bench.run.training import Run
from bench.spec import BenchError, Evaluation, Failure, PlannedRun, RunConfig, RunRecord
from bench.store import Store
from bench.sweep import problems

Make = Callable[..., PlannedRun]

SOURCE = "landcover/urban"


@pytest.fixture
def rates(planned: Make, four_convs: str) -> Callable[..., Rates]:
    """rates(steps=.., per_epoch=.., evaluations=.., **fields) of a resolved configuration."""

    def make(steps: int = 100, per_epoch: int = 10, evaluations: Any = lambda: (), **fields: Any) -> Rates:
        config = planned(model=four_convs, steps=steps, **fields).config
        return Rates(config, names.build("scheduler", config.scheduler), steps, per_epoch, evaluations)

    return make


Made = Callable[..., Rates]


def test_without_more_it_is_the_shape_over_the_steps(rates: Made) -> None:
    found = rates()
    assert [found.factor(step) for step in range(100)] == [(1 - step / 100) ** 0.9 for step in range(100)]


def test_a_schedule_may_be_longer_than_the_run_and_then_never_ends(rates: Made) -> None:
    long = rates(schedule_steps=150)
    assert long.factor(99) == (1 - 99 / 150) ** 0.9 > 0.3
    assert long.factor(99) != rates().factor(99)


def test_a_shorter_one_stays_at_its_end(rates: Made) -> None:
    found = rates(schedule_steps=50, scheduler={"name": "cosine", "floor": 0.1})
    assert [found.factor(step) for step in (50, 60, 99)] == pytest.approx([0.1] * 3)


def test_by_epoch_the_rate_changes_with_epochs_alone(rates: Made) -> None:
    found = rates(schedule_by="epoch", scheduler="linear")
    assert [found.factor(step) for step in (0, 9, 10, 19, 90, 99)] == pytest.approx([1, 1, 0.9, 0.9, 0.1, 0.1])
    assert rates(scheduler="linear").factor(9) == pytest.approx(0.91)


@pytest.mark.parametrize("scheduler", ["poly", "constant", "cosine", "one_cycle", "plateau"])
def test_a_warm_up_stands_before_any_schedule(rates: Made, scheduler: str) -> None:
    fields = {"scheduler": scheduler, "evaluate_every": 50}
    plain, warm = rates(**fields), rates(**fields, warmup_steps=20, warmup_from=0.1)
    for step in range(100):
        ramp = 0.1 + 0.9 * step / 20 if step < 20 else 1.0
        assert warm.factor(step) == pytest.approx(ramp * plain.factor(step), abs=0)
    assert rates(warmup_steps=20).factor(0) == 0.0


def test_a_warm_up_goes_by_steps_where_the_schedule_goes_by_epochs(rates: Made) -> None:
    found = rates(schedule_by="epoch", scheduler="constant", warmup_steps=10)
    assert [found.factor(step) for step in (1, 2, 10)] == pytest.approx([0.1, 0.2, 1.0])


def test_a_warm_up_that_does_not_end_is_refused(rates: Made, planned: Make) -> None:
    config = planned(steps=None, epochs=2, warmup_steps=8).config  # how many steps these are is known with the data
    shape = names.build("scheduler", config.scheduler)
    with pytest.raises(BenchError, match="8 steps does not end within a run of 8"):
        Rates(config, shape, 8, 4)
    assert Rates(config, shape, 9, 4).factor(8) > 0


# ------------------------------------------------------------------ scores along the way


def evaluation(step: int, right: int, *, source: str = SOURCE) -> Evaluation:
    """One after `step` updates in which `right` of 10 pixels of each of two classes were right."""
    counts = ((right, 10 - right), (10 - right, right))
    other = {"landcover/rural": ((10, 0), (0, 10))}
    return Evaluation(step=step, split="val", confusion={**other, source: counts})


STALLING = [evaluation(10, 5), evaluation(20, 8), evaluation(30, 7), evaluation(40, 8), evaluation(50, 6)]
PLATEAU = {"scheduler": {"name": "plateau", "patience": 1, "factor": 0.5}, "evaluate_every": 10}


def test_plateau_follows_the_source_s_scores_from_the_step_after_each(rates: Made) -> None:
    found = rates(**PLATEAU, evaluations=lambda: STALLING)
    assert {step: found.factor(step) for step in (0, 10, 39, 40, 49, 50, 99)} == {
        **dict.fromkeys((0, 10, 39), 1.0),
        **dict.fromkeys((40, 49, 50, 99), 0.5),
    }


def test_it_is_the_same_when_asked_in_another_order_with_more_known_or_by_another(rates: Made) -> None:
    known: list[Evaluation] = []
    growing, told = rates(**PLATEAU, evaluations=lambda: known), []
    for step in range(60):
        known += [e for e in STALLING if e.step == step]
        told.append(growing.factor(step))
    resumed = rates(**PLATEAU, evaluations=lambda: STALLING)  # as after a checkpoint: nothing but the evaluations
    assert [resumed.factor(step) for step in reversed(range(60))] == told[::-1]
    assert set(told) == {1.0, 0.5}


def test_the_target_s_scores_are_not_looked_at(rates: Made) -> None:
    swapped = [
        Evaluation(**{**e.model_dump(), "confusion": {SOURCE: ((step, 9), (0, 9))}})
        for step, e in enumerate(STALLING, 1)
    ]
    assert rates(**PLATEAU, evaluations=lambda: swapped).factor(99) == 1.0  # the source's rise
    assert rates(**PLATEAU, evaluations=lambda: STALLING).factor(99) == 0.5


def test_rates_follow_each_other_without_a_jump_up_but_in_a_warm_up(rates: Made) -> None:
    found = rates(warmup_steps=10)
    factors = [found.factor(step) for step in range(100)]
    ups = [step for step, (one, next_) in enumerate(pairwise(factors)) if next_ > one]
    assert ups == list(range(10))


# ------------------------------------------------------------------ rules


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"scheduler": "plateau"}, "scheduler", "evaluate_every"),
    ({"warmup_steps": 4}, "warmup_steps", "does not end"),
    ({"schedule_steps": 3}, "schedule_steps", "rate is 0 from step 3 of 4 on"),
    ({"schedule_steps": 3, "scheduler": "cosine"}, "schedule_steps", "rate is 0"),
]


@pytest.mark.parametrize(("fields", "key", "words"), WRONG)
def test_a_recipe_that_cannot_work_is_refused_when_it_is_read(
    planned: Make, fields: dict[str, Any], key: str, words: str
) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        planned(**fields)
    assert caught.value.key == key


@pytest.mark.parametrize(
    "fields",
    [
        {"scheduler": "plateau", "evaluate_every": 2},
        {"warmup_steps": 3},
        {"schedule_steps": 9},
        {"schedule_steps": 3, "scheduler": {"name": "cosine", "floor": 0.1}},
        {"schedule_steps": 3, "scheduler": "constant"},
        {"steps": None, "epochs": 2, "schedule_steps": 3, "warmup_steps": 100},
    ],
)
def test_what_works_is_not(planned: Make, fields: dict[str, Any]) -> None:
    config: RunConfig = planned(**fields).config
    check_recipe(config)


GRID = """\
name: grid
base: {model: pidnet_s, dataset: landcover, source: urban, steps: 10, evaluate_on: [rural]}
"""


@pytest.mark.parametrize(
    ("grid", "place", "words"),
    [
        ("{scheduler: [poly, plateau], evaluate_every: [5, 0]}", ":3:", "plateau"),
        ("{evaluate_every: [5, 0], scheduler: [poly, plateau]}", ":3:", "plateau"),
        ("{method: [source_only, dacs], target: [rural, null]}", ":3:", "needs a target"),
    ],
)
def test_rules_between_fields_hold_for_cells_whose_settings_were_right_elsewhere(
    tmp_path: Path, grid: str, place: str, words: str
) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text(f"{GRID}grid: {grid}\n")
    (fault,) = problems(file, [])
    assert words in str(fault)
    assert place in str(fault)
    file.write_text(f"{GRID}grid: {grid.replace('plateau', 'cosine').replace('dacs', 'oracle')}\n")
    assert all("needs a target" in str(fault) for fault in problems(file, []))


# ------------------------------------------------------------------ a whole run


RECIPE = {
    "steps": 12,
    "warmup_steps": 3,
    "warmup_from": 0.2,
    "evaluate_every": 2,
    "scheduler": {"name": "plateau", "patience": 0, "factor": 0.5},
    "groups": {"name": "by_stage", "first": 0.1, "frozen": ["stem"], "thaw": 0.5, "decay_norms": False},
}


def numbers(record: RunRecord | Failure) -> tuple[Any, ...]:
    assert isinstance(record, RunRecord), record
    return record.confusion, record.history, record.evaluations


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_with_all_of_it_goes_on_to_the_same_numbers_wherever_it_stops(
    planned: Make, four_convs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    dataset = {"name": "landcover", "tile_px": 32, "train_tiles": 4, "val_tiles": 2, "test_tiles": 2}
    run = planned(model=four_convs, dataset=dataset, crop_px=(32, 32), optimizer=optimizer, **RECIPE)

    def place(name: str) -> Place:
        return Place(store=Store(tmp_path / name / "results"), sweep="test", workers=1)

    *_, whole = attempt(run, place("whole"))
    assert isinstance(whole, RunRecord), whole
    lr = [rate / 0.01 if optimizer == "sgd" else rate / 0.001 for rate in whole.history.lr]
    assert lr[:4] == pytest.approx([0.2, 0.2 + 0.8 / 3, 0.2 + 1.6 / 3, 1.0], rel=1e-4)
    assert lr[-1] < 1, "the scores of so short a run do not all rise"
    for stop in (2, 5, 6, 9):
        where, wish = place(f"stopped at {stop}"), list[bool]()
        for event in attempt(run, replace(where, stop=lambda wish=wish: bool(wish))):
            if getattr(event, "step", None) == stop:
                wish.append(True)
        *_, resumed = attempt(run, where)
        assert isinstance(resumed, RunRecord)
        assert resumed.resumed_at == (stop,)
        assert numbers(resumed) == numbers(whole)
