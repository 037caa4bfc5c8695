"""From a file to its runs, or to the list of what is wrong: what is told, in which order, and when it is too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_stand_ins.plug import stand_ins  # noqa: F401

import bench.sweep.load as module
from bench import names
from bench.spec import BenchError, CostRequest
from bench.sweep import load_sweep, locator, problems
from bench.sweep.cells import values
from bench.sweep.check import Checker
from bench.sweep.document import read
from bench.sweep.sections import Reader

BASE = "name: x\nbase: {model: unet, dataset: land, source: urban, steps: 5}\n"


def written(tmp_path: Path, text: str, base: str = BASE) -> Path:
    file = tmp_path / "load.yaml"
    file.write_text(base + text)
    return file


def told(tmp_path: Path, text: str, *overrides: str, base: str = BASE) -> list[str]:
    found = problems(written(tmp_path, text, base), overrides)
    return [f"{fault.line} {fault.key}: {fault.problem}; {fault.remedy}" for fault in found]


# ------------------------------------------------------------------ a sound file


def test_a_sweep_is_what_its_file_says(tmp_path: Path) -> None:
    text = "# Why?\n" + BASE + "grid: {batch_size: [2, 1]}\nseeds: [3, 0]\ncost: {size: 64}\ntrackers: [board]\n"
    found = load_sweep(written(tmp_path, text, ""))
    assert (found.name, found.about, found.cost) == ("x", "Why?", CostRequest(size=(64, 64)))
    assert [tracker.options for tracker in found.trackers] == [{"port": 80}]
    assert [(run.config.batch_size, run.config.seed) for run in found.runs] == [(2, 3), (2, 0), (1, 3), (1, 0)]
    assert [run.run_id for run in found.runs] == [names.id_of(run.config) for run in found.runs]
    assert [run.name.rpartition("-s")[2] for run in found.runs] == [
        *("3-batch_size=2", "0-batch_size=2", "3-batch_size=1", "0-batch_size=1"),
    ]
    assert problems(written(tmp_path, text, "")) == []


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path: Path) -> None:
    assert [str(fault) for fault in problems(tmp_path / "gone.yaml")] == [f"{tmp_path / 'gone.yaml'}: no such file"]
    with pytest.raises(BenchError, match=r"no such file$"):
        load_sweep(tmp_path / "gone.yaml")


def test_the_rest_of_many_faults_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path, "seeds: [x]\n")
    with pytest.raises(BenchError) as caught:
        load_sweep(file)
    assert caught.value.remedy == "write whole numbers from 0 to 4294967295"
    with pytest.raises(BenchError) as caught:
        load_sweep(written(tmp_path, "seeds: [x, y]\n"))
    assert caught.value.remedy == f"write whole numbers from 0 to 4294967295 (1 more: bench validate {file})"
    with pytest.raises(BenchError) as caught:
        raise module._with_rest([BenchError("one"), BenchError("two"), BenchError("three")], file)
    assert caught.value.remedy == f"(2 more: bench validate {file})"


def test_faults_stand_in_the_order_of_lines_those_of_overrides_first(tmp_path: Path) -> None:
    text = "include: [{}, {stepz: 1}]\nseeds: [-1, y]\nbase: {modle: 3}\n"
    found = told(tmp_path, text, "stpes=3", "lss=3", base="")
    assert [line.partition(": ")[0] for line in found] == [
        *("None --set stpes", "None --set lss", "1 name", "1 include.0", "1 include.1.stepz"),
        *("2 seeds.0", "2 seeds.1", "3 base.modle"),
    ]


# ------------------------------------------------------------------ -k


def test_some_of_the_runs_are_chosen(tmp_path: Path) -> None:
    file = written(tmp_path, "grid: {model: [unet, pidnet_s], batch_size: [1, 2]}\nseeds: [0, 1]\n")
    whole = load_sweep(file)
    some = load_sweep(file, select="pidnet_s and s1 and batch_size=2")
    assert some == whole.model_copy(update={"runs": (whole.runs[7],)})


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        ("unat", "did you mean unet?"),
        ("(unet and pidnet)", "did you mean pidnet_s or unet?"),
        ("unet and pidnet_s", "ask for less at once"),
        ("not (unet or pidnet_s)", "ask for less at once"),
        ("unet and (s1 and s0)", "ask for less at once"),
        ("batch_size and 3", "choose one of: "),
        ("not batch_size", "ask for less at once"),
    ],
)
def test_a_choice_of_nothing_names_what_there_is(tmp_path: Path, expression: str, remedy: str) -> None:
    file = written(tmp_path, "grid: {model: [unet, pidnet_s], batch_size: [1, 2]}\nseeds: [0, 1]\n")
    with pytest.raises(BenchError) as caught:
        load_sweep(file, select=expression)
    assert (caught.value.key, caught.value.problem) == ("-k", f"'{expression}' matches none of 8 runs")
    assert caught.value.remedy.startswith(remedy)


# ------------------------------------------------------------------ too much


TOO_MANY = "split the sweep"


def test_as_many_runs_as_the_limit_are_loaded_and_one_more_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RUNS", 6)
    assert len(load_sweep(written(tmp_path, "grid: {batch_size: [1, 2, 3]}\nseeds: [0, 1]\n")).runs) == 6
    assert told(tmp_path, "seeds: [0, 1, 2, 3, 4, 5, 6]\n") == [f"1 grid: 7 runs are more than 6; {TOO_MANY}"]
    assert told(tmp_path, "grid:\n  batch_size: [1, 2, 3]\n  steps: [1, 2, 3]\n") == [
        f"3 grid: 9 runs are more than 6; {TOO_MANY}"
    ]


def test_as_many_values_as_the_limit_are_loaded_and_one_more_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "grid: {crop_px: [[32, 64], 32]}\n"
    most = values(Reader(read(written(tmp_path, text))).sections())
    monkeypatch.setattr(module, "MAX_VALUES", most)
    assert len(load_sweep(written(tmp_path, text)).runs) == 2
    monkeypatch.setattr(module, "MAX_VALUES", most - 1)
    assert told(tmp_path, text) == [f"3 grid: 2 runs are too many for a file this large; {TOO_MANY}"]


def test_a_slip_in_every_cell_is_not_looked_for_in_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MAX_TOLD == 1_000
    monkeypatch.setattr(module, "MAX_TOLD", 6)
    seen = []

    class Counting(Checker):
        def __call__(self, cell: Any) -> Any:
            seen.append(cell)
            return super().__call__(cell)

    monkeypatch.setattr(module, "Checker", Counting)
    found = told(tmp_path, "grid: {loss: [{name: ohem, a: 1, b: 2}], batch_size: [1, 2, 3, 4, 5, 6]}\n")
    assert [line.partition(": ")[0] for line in found] == ["3 grid.loss.0.a", "3 grid.loss.0.b"]
    assert len(seen) == 4  # two in each: six are not too many, eight are


def test_a_hundred_faults_are_enough(tmp_path: Path) -> None:
    found = told(tmp_path, "seeds: [" + ", ".join(f"s{i}" for i in range(150)) + "]\n")
    assert len(found) == 100


# ------------------------------------------------------------------ what is told of cells


def test_a_missing_key_is_no_fault_beside_a_misspelt_one(tmp_path: Path) -> None:
    assert told(tmp_path, "", base="name: x\nbase: {modle: unet, dataset: land, source: urban, steps: x}\n") == [
        "2 base.modle: unknown key 'modle'; did you mean model?",
        "2 base.steps: 'x' is not a whole number; write digits alone, such as 4",
    ]
    assert told(tmp_path, "", base="name: x\nbase: {dataset: land, source: urban, steps: 3}\n") == [
        "2 base.model: `model` is missing; write `model: ...` under `base`"
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("grid: {optimizer.rl: [0.1, 0.2]}\n", "3 grid.optimizer.rl"),
        ("grid: {optimizer.lr: [0.1, x]}\n", "3 grid.optimizer.lr.1"),
        ("grid: {augment: [[flip, {name: flip, q: 1}]]}\n", "3 grid.augment.0.1.q"),
        ("grid: {augment: [[flip, flop]]}\n", "3 grid.augment.0.1"),
        ("include: [{optimizer.rl: 3}]\n", "3 include.0.optimizer.rl"),
    ],
)
def test_a_fault_of_a_cell_stands_where_its_key_was_written(tmp_path: Path, text: str, key: str) -> None:
    assert [line.partition(": ")[0] for line in told(tmp_path, text)] == [key]


@pytest.mark.parametrize(
    ("text", "key", "cells"),
    [
        ("grid: {loss: [ohem, ohem]}\n", "grid.loss.1", "'grid.loss.0 seeds.0' and 'grid.loss.1 seeds.0'"),
        (
            "grid: {batch_size: [6]}\ninclude: [{steps: 5}]\n",
            "include.0.steps",
            "'grid.batch_size.0 seeds.0' and 'include.0.steps seeds.0'",
        ),
        (
            "grid: {loss: [ohem, {name: ohem, threshold: 0.9}]}\nseeds: [1]\n",
            "grid.loss.1",
            "'grid.loss.0 seeds.0' and 'grid.loss.1 seeds.0'",
        ),
        (
            "grid: {}\ninclude: [{batch_size: 6}]\n",
            "include.0.batch_size",
            "'seeds.0' and 'include.0.batch_size seeds.0'",
        ),
    ],
)
def test_two_cells_that_are_one_run_are_both_named(tmp_path: Path, text: str, key: str, cells: str) -> None:
    found = [line.partition(" ")[2] for line in told(tmp_path, text)]
    assert found == [f"{key}: cells {cells} are the same run; remove one of the two"]


def test_two_cells_of_one_place_are_told_at_its_first(tmp_path: Path) -> None:
    """Two values of `--set` have one place."""
    found = told(tmp_path, "", "loss=ohem,ohem")
    assert len(found) == 1
    assert found[0].startswith("None --set loss: cells '--set.loss seeds.0' and '--set.loss seeds.0' are the same run")


# ------------------------------------------------------------------ what is left


NONE = "no run is left"


@pytest.mark.parametrize(
    ("text", "overrides", "wanted"),
    [
        ("include: []\n", [], [f"3 include: {NONE}; add a cell, or a grid"]),
        ("exclude: [{steps: 5}]\n", [], [f"3 exclude: {NONE}; exclude less"]),
        ("exclude: [{steps: 5}]\n", ["steps=5"], [f"3 exclude: {NONE}; exclude less"]),
        (
            "exclude: [{steps: 6}]\n",
            [],
            ["3 exclude.0: excludes no run of the grid; write values as in `grid`, or remove the entry"],
        ),
        ("exclude: [{steps: 6}]\n", ["batch_size=3"], []),
        (
            "exclude: [{steps: 6}, {steps: 5}]\n",
            [],
            [
                f"3 exclude: {NONE}; exclude less",
                "3 exclude.0: excludes no run of the grid; write values as in `grid`, or remove the entry",
            ],
        ),
        (
            "exclude: [{steps: 6}]\nseeds: [x]\n",
            [],
            ["4 seeds.0: 'x' is no seed; write whole numbers from 0 to 4294967295"],
        ),
    ],
)
def test_a_sweep_has_a_run_and_every_exclusion_a_meaning(
    tmp_path: Path, text: str, overrides: list[str], wanted: list[str]
) -> None:
    assert told(tmp_path, text, *overrides) == wanted


def test_an_excluded_cell_may_be_wrong(tmp_path: Path) -> None:
    text = "grid: {model: [unet, {name: unet, width: 3}]}\nexclude: [{model: {width: 3}}]\n"
    assert len(load_sweep(written(tmp_path, text)).runs) == 1


# ------------------------------------------------------------------ a fault that shows later


@pytest.mark.parametrize(
    ("text", "overrides", "run", "key", "line", "where"),
    [
        ("", [], 0, "steps", 2, "base.steps"),
        ("grid:\n  optimizer.lr: [0.1, 0.2]\n", [], 1, "optimizer.lr", 4, "grid.optimizer.lr.1"),
        ("grid: {}\ninclude:\n- {crop_px: [3, 4]}\n", [], 1, "crop_px.1", 5, "include.0.crop_px.1"),
        ("grid: {}\ninclude:\n- {crop_px: [3, 4]}\n", [], 0, "crop_px.1", None, "crop_px.1"),
        ("", [], 0, "batch_size", None, "batch_size"),
        ("", [], 0, "", None, ""),
        ("", ["batch_size=3"], 0, "batch_size", None, "--set batch_size"),
        ("", ["batch_size=3"], 0, "model", 2, "base.model"),
    ],
)
def test_a_fault_of_a_run_is_told_where_its_key_was_written(
    tmp_path: Path, text: str, overrides: list[str], run: int, key: str, line: int | None, where: str
) -> None:
    file = written(tmp_path, text)
    config = load_sweep(file, overrides=overrides).runs[run].config
    error = locator(file, overrides)(BenchError("wrong", remedy="mend it", key=key), config)
    assert (error.line, error.key, error.problem, error.remedy) == (line, where, "wrong", "mend it")
    assert error.file == (file if line else None)
    assert (error.column is None) == (line is None)


def test_a_run_that_no_cell_asked_for_has_the_places_of_the_base(tmp_path: Path) -> None:
    file = written(tmp_path, "grid: {steps: [5, 6]}\n")
    config = load_sweep(file).runs[0].config.model_copy(update={"steps": 9})
    assert locator(file)(BenchError("wrong", key="steps"), config).key == "base.steps"


def test_a_fault_that_knows_its_line_keeps_it_and_one_of_another_file_names_it(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    config = load_sweep(file).runs[0].config
    known = locator(file)(BenchError("wrong", file="other.yaml", line=9, key="steps"), config)
    assert str(known) == "other.yaml:9: steps: wrong"
    beside = locator(file)(BenchError("wrong", file="weights.pt", key="steps"), config)
    assert str(beside) == f"{file}:2:51: base.steps: weights.pt: wrong"
