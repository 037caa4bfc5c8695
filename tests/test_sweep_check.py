"""A cell becomes a complete configuration, or every fault in it is told under the key that it has in the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sweep_stand_ins
from sweep_stand_ins.plug import forget, stand_ins  # noqa: F401

import bench.sweep.check
from bench import names
from bench.spec import BenchError, RunConfig
from bench.sweep.cells import Cell, cells
from bench.sweep.check import Checker, check
from bench.sweep.document import read
from bench.sweep.sections import Reader


@pytest.fixture(autouse=True, scope="module")
def several(stand_ins: None) -> Iterator[None]:  # noqa: F811
    """The stand-ins know how to combine losses, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sweep_stand_ins.LOSSES, "combined", "bench.losses.combined:combined")
        forget()
        yield
    forget()


BASE = {"model": "unet", "dataset": "land", "source": "urban", "steps": "5"}


def cells_of(tmp_path: Path, text: str | None = "", **base: str | None) -> list[Cell]:
    """The cells of a file whose base is BASE with `base` over it; None leaves a key out."""
    whole = {key: value for key, value in {**BASE, **base}.items() if value is not None}
    file = tmp_path / "check.yaml"
    lines = "".join(f"  {key}: {value}\n" for key, value in whole.items())
    file.write_text(f"name: x\nbase:\n{lines}{text}")
    return list(cells(Reader(read(file)).sections()))


def config(tmp_path: Path, **base: str | None) -> RunConfig:
    made, faults = check(cells_of(tmp_path, **base)[0])
    assert faults == []
    assert made is not None
    return made


def told(tmp_path: Path, **base: str | None) -> list[str]:
    """`key: problem` of each fault."""
    made, faults = check(cells_of(tmp_path, **base)[0])
    assert made is None
    return [f"{fault.key}: {fault.problem}" for fault in faults]


# ------------------------------------------------------------------ what is right


def test_a_configuration_is_complete(tmp_path: Path) -> None:
    made = config(tmp_path, optimizer="{name: sgd, lr: 1}", augment="[flip, {name: jitter, strength: 1}]")
    assert (made.source, made.evaluate_on, made.steps) == ("land/urban", ("land/urban", "land/rural"), 5)
    assert made.optimizer.options == {"lr": 1.0, "momentum": 0.9}
    assert [(part.name, part.options) for part in made.augment] == [("flip", {"p": 0.5}), ("jitter", {"strength": 1.0})]
    assert config(tmp_path, evaluate_on="[rural]").evaluate_on == ("land/rural",)
    assert config(tmp_path, evaluate_on="null").evaluate_on == ("land/urban", "land/rural")


def test_a_list_of_one_is_that_one_and_of_several_a_combination(tmp_path: Path) -> None:
    assert config(tmp_path, loss="[ohem]") == config(tmp_path, loss="ohem")
    assert config(tmp_path, loss="[{name: ohem, threshold: 0.5}]").loss.options["threshold"] == 0.5
    both = config(tmp_path, loss="[cross_entropy, {name: ohem, threshold: 0.5}]").loss
    assert both.name == "combined"
    assert [part["name"] for part in both.options["parts"]] == ["cross_entropy", "ohem"]
    assert both.options["parts"][1]["threshold"] == 0.5


def test_an_option_may_be_called_options(tmp_path: Path) -> None:
    assert told(tmp_path, loss="{name: ohem, options: {threshold: 0.5}}") == [
        "loss.options: unknown option 'options' of loss 'ohem'"
    ]


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        ({"model": None}, ["model: `model` is missing"]),
        ({"steps": None}, ["steps: exactly one of `steps` and `epochs` says how long to train"]),
        ({"epochs": "3"}, ["epochs: exactly one of `steps` and `epochs` says how long to train"]),
        ({"steps": None, "epochs": "null"}, ["steps: exactly one of `steps` and `epochs` says how long to train"]),
        ({"choose": "source_val"}, ["choose: `choose: source_val` needs `evaluate_every`"]),
        ({"steps": "0"}, ["steps: 0 is no value for it"]),
        ({"steps": "'5'"}, ["steps: '5' is text, not a number"]),
        (
            {"steps": "'5'", "batch_size": "'5'"},
            ["steps: '5' is text, not a number", "batch_size: '5' is text, not a number"],
        ),
        ({"optimizer": "{name: sgd, lr: '1'}"}, ["optimizer.lr: '1' is text, not a number"]),
        ({"loss": "[{name: ohem, threshold: '1'}]"}, ["loss.threshold: '1' is text, not a number"]),
        ({"loss": "[cross_entropy, {name: ohem, threshold: '1'}]"}, ["loss.1.threshold: '1' is text, not a number"]),
        ({"loss": "{}"}, ["loss: a component without a name"]),
        ({"loss": "{threshold: 1}"}, ["loss: a component without a name"]),
        ({"loss": "{name: null}"}, ["loss: a component without a name"]),
        ({"loss": "{name: 3}"}, ["loss.name: 3 is not text"]),
        ({"loss": "5"}, ["loss: 5 is not a component"]),
        ({"loss": "[]"}, ["loss: [] is not a component"]),
        ({"loss": "[[ohem]]"}, ["loss: a list of 1 is not a component"]),
        ({"loss": "[nope]"}, ["loss: unknown loss 'nope'"]),
        ({"loss": "[{name: ohem, treshold: 1}]"}, ["loss.treshold: unknown option 'treshold' of loss 'ohem'"]),
        ({"loss": "[cross_entropy, nope]"}, ["loss.1: unknown loss 'nope'"]),
        ({"loss": "[cross_entropy, {name: ohem, b: 1}]"}, ["loss.1.b: unknown option 'b' of loss 'ohem'"]),
        (
            {"loss": "[cross_entropy, {threshold: 1}]"},
            ["loss.1: {'name': None, 'options': {'threshold': 1}} is no component"],
        ),
        ({"loss": "[cross_entropy, [ohem, ohem]]"}, ["loss.1: a combination inside a combination"]),
        ({"loss": "[cross_entropy, [ohem]]"}, ["loss.1: ['ohem'] is no component"]),
        (
            {"loss": "{name: combined, parts: [ohem]}"},
            ["loss.parts: a combination has at least two parts, not ['ohem']"],
        ),
        (
            {"loss": "{name: combined, parts: [nope, nape]}"},
            ["loss: unknown loss 'nope'"],
        ),
        ({"model": "[unet, unet]"}, ["model: a list of 2 is not a component"]),
        (
            {"model": "unat", "loss": "[cross_entropy, {name: ohem, b: 1}]", "method": "dann"},
            [
                "model: unknown model 'unat'",
                "method: method 'dann' needs `weight`",
                "loss.1.b: unknown option 'b' of loss 'ohem'",
            ],
        ),
        ({"augment": "flip"}, ["augment: 'flip' is not a list"]),
        ({"augment": "[flip, 5]"}, ["augment.1: 5 is not a component"]),
        ({"augment": "[[flip]]"}, ["augment.0: a list of 1 is not a component"]),
        ({"augment": "[{p: 1}]"}, ["augment.0: a component without a name"]),
        (
            {"augment": "[flop, {name: flip, q: 1, r: 2}]"},
            [
                "augment.0: unknown augment 'flop'",
                "augment.1.q: unknown option 'q' of augment 'flip'",
                "augment.1.r: unknown option 'r' of augment 'flip'",
            ],
        ),
        ({"optimizer": "{name: sgd, lr: fast}"}, ["optimizer.lr: 'fast' is no value for `lr` of optimizer 'sgd'"]),
        ({"method": "dann"}, ["method: method 'dann' needs `weight`"]),
        ({"method": "looking"}, ["method: method 'looking' needs a target"]),
        ({"dataset": "lend"}, ["dataset: unknown dataset 'lend'"]),
        ({"dataset": "5"}, ["dataset: 5 is not a component"]),
        ({"dataset": None}, ["dataset: `dataset` is missing"]),
        (
            {"dataset": "{name: land, tile: 3}", "source": "sky"},
            ["dataset.tile: unknown option 'tile' of dataset 'land'"],
        ),
        ({"source": "sky"}, ["source: land has no domain 'sky'"]),
        ({"source": "5"}, ["source: 5 is not text"]),
        ({"source": "mars/sky"}, ["source: unknown dataset 'mars'"]),
        ({"target": "sky"}, ["target: land has no domain 'sky'"]),
        ({"evaluate_on": "[]"}, ["evaluate_on: [] is too short"]),
        ({"evaluate_on": "[sky]"}, ["evaluate_on.0: land has no domain 'sky'"]),
        ({"evaluate_on": "[urban, urban]"}, ["evaluate_on.1: land/urban is listed twice"]),
        ({"source": "street/day"}, ["source: street/day has 3 classes that are not the 2 of land"]),
        (
            {"source": "sky", "target": "see", "evaluate_on": "[sky, rural, see, urban, rural]"},
            [
                "source: land has no domain 'sky'",
                "target: land has no domain 'see'",
                "evaluate_on.0: land has no domain 'sky'",
                "evaluate_on.2: land has no domain 'see'",
                "evaluate_on.4: land/rural is listed twice",
            ],
        ),
        (
            {"model": "unat", "loss": "{name: ohem, a: 1, b: 2}", "source": "sky", "steps": "x", "crop_px": "[1]"},
            [
                "crop_px.1: a list of 1 is too short",
                "steps: 'x' is not a whole number",
                "model: unknown model 'unat'",
                "loss.a: unknown option 'a' of loss 'ohem'",
                "loss.b: unknown option 'b' of loss 'ohem'",
                "source: land has no domain 'sky'",
            ],
        ),
    ],
)
def test_every_fault_is_told_under_its_key(tmp_path: Path, base: dict[str, Any], wanted: list[str]) -> None:
    assert told(tmp_path, **base) == wanted


def test_of_many_faults_in_one_place_the_first_twenty_are_told(tmp_path: Path) -> None:
    options = ", ".join(f"k{i}: 1" for i in range(25))
    keys = [line.partition(":")[0] for line in told(tmp_path, loss=f"{{name: ohem, {options}}}")]
    assert keys == [f"loss.k{i}" for i in range(20)]
    domains = ", ".join(f"d{i}" for i in range(25))
    keys = [line.partition(":")[0] for line in told(tmp_path, evaluate_on=f"[{domains}]")]
    assert keys == [f"evaluate_on.{i}" for i in range(20)]


def test_a_fault_keeps_its_remedy(tmp_path: Path) -> None:
    def remedy(**base: str) -> str:
        return check(cells_of(tmp_path, **base)[0])[1][0].remedy

    assert remedy(loss="{name: ohem, treshold: 1}") == "did you mean threshold?"
    assert remedy(loss="[cross_entropy, ohemm]") == "did you mean ohem?"
    assert remedy(source="urbn") == "did you mean urban?"
    assert remedy(steps="x") == "write digits alone, such as 4"
    assert remedy(steps="'5'") == "write `5` if that is meant"


def test_domains_are_judged_without_a_model_that_needs_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a model, first of all in the table, is no fault of this file."""
    monkeypatch.setitem(sweep_stand_ins.MODELS, "a_model", "sweep_stand_ins.components:dann")
    forget()
    assert told(tmp_path, source="sky") == ["source: land has no domain 'sky'"]
    assert told(tmp_path, batch_size="x", source="urban") == ["batch_size: 'x' is not a whole number"]
    monkeypatch.undo()
    forget()


# ------------------------------------------------------------------ what is remembered


GRID = "grid: {batch_size: [1, 2, 3], crop_px: [32, 64], source: [urban, rural]}\nseeds: [0, 1]\n"
NEW = (0, 1, 2, 4, 8, 16)
"""The cells of it that hold a value which none before them held."""


def test_cells_of_known_settings_are_not_checked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every: list[Cell] = cells_of(tmp_path, GRID)
    seen: list[Cell] = []

    def counted(cell: Cell) -> Any:
        seen.append(cell)
        return check(cell)

    monkeypatch.setattr(bench.sweep.check, "check", counted)
    checker = Checker()
    found = [checker(cell) for cell in every]
    assert found == [check(cell) for cell in every]
    assert seen == [every[i] for i in NEW]
    assert len(every) == 24
    assert len(seen) == 6


def test_a_known_cell_is_made_of_the_same_objects(tmp_path: Path) -> None:
    checker = Checker()
    made = [checker(cell)[0] for cell in cells_of(tmp_path, "grid: {loss: [ohem, cross_entropy]}\nseeds: [0, 1]\n")]
    *before, last = [one for one in made if one is not None]
    assert len(before) == 3
    assert any(last.optimizer is one.optimizer for one in before)
    assert (last.loss.name, last.seed) == ("cross_entropy", 1)


def test_a_cell_that_is_wrong_teaches_nothing(tmp_path: Path) -> None:
    checker = Checker()
    for cell in cells_of(tmp_path, "grid: {batch_size: [0, 1, 0]}\n"):
        made, faults = checker(cell)
        assert (made is None) == bool(faults) == (cell.raw["batch_size"] == 0)


@pytest.mark.parametrize(
    "text",
    [
        "grid: {evaluate_every: [2, 0], choose: [last, source_val]}\n",  # a rule of the schema
        "grid: {target: [rural, null], method: [source_only, looking]}\n",  # a rule between complete parts
    ],
)
def test_what_does_not_go_together_is_seen_in_cells_of_known_settings(tmp_path: Path, text: str) -> None:
    checker, every = Checker(), cells_of(tmp_path, text)
    found = [checker(cell) for cell in every]
    assert [made is None for made, _ in found] == [False, False, False, True]
    assert [len(faults) for _, faults in found] == [0, 0, 0, 1]
    assert str(found[-1][1][0]) == str(check(every[-1])[1][0])


def test_rules_between_parts_are_asked_of_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every, asked = cells_of(tmp_path, GRID), list[RunConfig]()

    def rule(made: RunConfig) -> None:
        asked.append(made)
        if made.batch_size == 3 and made.crop_px == (64, 64):
            raise BenchError("not these two", key="batch_size")

    monkeypatch.setattr(names, "check_together", rule)
    monkeypatch.setattr("bench.names.configurations.check_together", rule)
    checker = Checker()
    found = [checker(cell)[0] for cell in every]
    assert [cell.raw["batch_size"] == 3 and cell.raw["crop_px"] == [64, 64] for cell in every] == [
        made is None for made in found
    ]
    assert len(asked) >= len(every)
