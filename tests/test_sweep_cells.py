"""From sections to cells: how many there are, what each sets and where that was written, and one spelling of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import Component, CostRequest, RunConfig
from bench.sweep import cells as module
from bench.sweep.cells import Cell, cells, count, flat, normal, place, values
from bench.sweep.document import read
from bench.sweep.sections import Reader, Sections, Setting


def of(tmp_path: Path, text: str) -> Sections:
    file = tmp_path / "cells.yaml"
    file.write_text("name: x\n" + text)
    return Reader(read(file)).sections()


def rows(tmp_path: Path, text: str) -> list[str]:
    """Each cell as `place | what it sets`, in order."""
    return [
        f"{place(cell.point)} | " + " ".join(f"{key}={value}" for key, value in cell.raw.items())
        for cell in cells(of(tmp_path, text))
    ]


WIDE = """\
base: {steps: 1, epochs: 5}
grid: {batch_size: [2, 3], steps: [7, 8]}
seeds: [0, 4]
include: [{batch_size: 9}]
"""


def test_cells_are_the_product_then_what_is_included(tmp_path: Path) -> None:
    assert rows(tmp_path, WIDE) == [
        "grid.batch_size.0 grid.steps.0 seeds.0 | steps=7 epochs=5 batch_size=2 seed=0",
        "grid.batch_size.0 grid.steps.0 seeds.1 | steps=7 epochs=5 batch_size=2 seed=4",
        "grid.batch_size.0 grid.steps.1 seeds.0 | steps=8 epochs=5 batch_size=2 seed=0",
        "grid.batch_size.0 grid.steps.1 seeds.1 | steps=8 epochs=5 batch_size=2 seed=4",
        "grid.batch_size.1 grid.steps.0 seeds.0 | steps=7 epochs=5 batch_size=3 seed=0",
        "grid.batch_size.1 grid.steps.0 seeds.1 | steps=7 epochs=5 batch_size=3 seed=4",
        "grid.batch_size.1 grid.steps.1 seeds.0 | steps=8 epochs=5 batch_size=3 seed=0",
        "grid.batch_size.1 grid.steps.1 seeds.1 | steps=8 epochs=5 batch_size=3 seed=4",
        "include.0.batch_size seeds.0 | steps=1 epochs=5 batch_size=9 seed=0",
        "include.0.batch_size seeds.1 | steps=1 epochs=5 batch_size=9 seed=4",
    ]
    assert [cell.included for cell in cells(of(tmp_path, WIDE))] == [False] * 8 + [True] * 2
    assert Cell((), (), {}).included is False


def test_listed_cells_alone_are_all_there_are(tmp_path: Path) -> None:
    text = "include: [{steps: 2}, {steps: 3}]\n"
    assert rows(tmp_path, text) == [
        "include.0.steps seeds.0 | steps=2 seed=0",
        "include.1.steps seeds.0 | steps=3 seed=0",
    ]


# ------------------------------------------------------------------ how many, how large


def test_the_limits_are_those_that_are_written_down() -> None:
    assert (module.MAX_RUNS, module.MAX_VALUES) == (10_000, 3_000_000)


@pytest.mark.parametrize(
    ("text", "runs", "size"),
    [
        ("", 1, 0),
        ("base: {steps: 1}\n", 1, 1),
        ("base: {steps: 1, crop_px: [1, 2], loss: {name: a, b: [1]}}\n", 1, 1 + 3 + 4),
        ("grid: {steps: [1, 2, 3]}\n", 3, 3 * 2),
        ("grid: {crop_px: [[1, 2], 5]}\nseeds: [0, 1, 2]\n", 6, 6 * 4),
        ("grid: {steps: [1, 2]}\nzip: {epochs: [1, 2, 3], batch_size: [1, 2, 3]}\n", 6, 6 * (2 + 3)),
        (WIDE, 10, 10 * (2 + 2 + 2 + 2)),
        ("include: [{steps: 1}, {steps: 2, epochs: [1]}]\n", 2, 2 * 4),
        ("exclude: [{steps: 1}, {steps: [1, 2], epochs: 1}]\n", 1, 2 + 5),
        ("base: {steps: 1}\nexclude: [{steps: 1}]\nseeds: [0, 1]\n", 2, 2 * 3),
    ],
)
def test_runs_and_values_are_counted_without_building_them(tmp_path: Path, text: str, runs: int, size: int) -> None:
    """A value, a list, a mapping and a group count as one each; of an axis the widest point does.

    The base is a group that every run has, so the runs themselves are added.
    """
    found = of(tmp_path, text)
    assert count(found) == runs == len(list(cells(found)))
    assert values(found) == size + runs


def test_an_axis_of_an_override_counts_for_what_is_included() -> None:
    axis = tuple((Setting("steps", n, ("--set", "steps")),) for n in (1, 2, 3))
    seeds = ((Setting("seed", 0, ("seeds", 0)),),)
    entry = (Setting("epochs", 1, ("include", 0, "epochs")),)
    found = Sections("x", "", (), (), (entry, entry), (), False, seeds, False, CostRequest(), (), (axis,))
    assert count(found) == 6 == len(list(cells(found)))
    assert [cell.raw["steps"] for cell in cells(found)] == [1, 2, 3] * 2


# ------------------------------------------------------------------ what a cell sets, and where


def one(tmp_path: Path, text: str) -> Cell:
    return next(cells(of(tmp_path, text)))


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("base: {optimizer.lr: 2, optimizer: adam}", {"optimizer": {"name": "adam", "lr": 2}}),
        ("base: {optimizer.lr: 2}", {"optimizer": {"name": "sgd", "lr": 2}}),  # the default's name
        ("base: {model.width: 2}", {"model": {"width": 2}}),  # a model has no default
        ("base: {optimizer.lr: 2}\ngrid: {optimizer: [{name: adam, lr: 3}]}", {"optimizer": {"name": "adam", "lr": 2}}),
        ("base: {optimizer.lr: 2}\ngrid: {optimizer.lr: [3]}", {"optimizer": {"name": "sgd", "lr": 3}}),
        ("base: {optimizer: 5, optimizer.lr: 2}", {"optimizer": 5}),
        ("base: {optimizer: {name: sgd, lr: 1}}\ngrid: {optimizer: [adam]}", {"optimizer": {"name": "adam"}}),
    ],
)
def test_whole_fields_come_first_and_options_over_them(tmp_path: Path, text: str, raw: dict[str, Any]) -> None:
    assert one(tmp_path, text + "\n").raw == {**raw, "seed": 0}


def test_what_one_cell_sets_is_not_seen_by_the_next(tmp_path: Path) -> None:
    text = "base: {optimizer: {name: sgd}}\ngrid: {batch_size: [1, 2]}\ninclude: [{optimizer.lr: 3}]\n"
    raws = [cell.raw["optimizer"] for cell in cells(of(tmp_path, text))]
    assert raws == [{"name": "sgd"}, {"name": "sgd"}, {"name": "sgd", "lr": 3}]


WHERE = """\
base: {steps: 1, evaluate_on: [a, b], loss: {name: ohem, min_kept: 3}, optimizer: {name: sgd, lr: 1}}
grid: {crop_px: [[1, 2]], optimizer.lr: [5], source: [a]}
"""


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("steps", ("base", "steps")),
        ("evaluate_on.1", ("base", "evaluate_on", 1)),
        ("loss.min_kept", ("base", "loss", "min_kept")),
        ("crop_px.1", ("grid", "crop_px", 0, 1)),
        ("source", ("grid", "source", 0)),
        ("optimizer", ("base", "optimizer")),
        ("optimizer.lr", ("grid", "optimizer.lr", 0)),
        ("optimizer.lr.1", ("grid", "optimizer.lr", 0, 1)),
        ("optimizer.momentum", ("base", "optimizer", "momentum")),
        ("seed", ("seeds", 0)),
        ("model", ("base", "model")),
        ("target.0", ("base", "target", 0)),
    ],
)
def test_a_cell_knows_where_each_key_was_written(tmp_path: Path, key: str, where: tuple[str | int, ...]) -> None:
    assert one(tmp_path, WHERE).written(key) == where


def test_cells_with_the_same_settings_of_a_field_have_the_same_parts(tmp_path: Path) -> None:
    found = list(cells(of(tmp_path, "base: {optimizer: sgd}\ngrid: {optimizer.lr: [1, 2], steps: [3, 4]}\n")))
    lr = [cell.parts["optimizer"] for cell in found]
    assert [[s.key for s in part] for part in lr] == [["optimizer", "optimizer.lr"]] * 4
    assert lr[0] == lr[1] != lr[2] == lr[3]
    assert [cell.parts["steps"][0].value for cell in found] == [3, 4, 3, 4]
    assert all(set(cell.parts) == {"optimizer", "steps", "seed"} for cell in found)


# ------------------------------------------------------------------ one spelling


@pytest.mark.parametrize(
    ("head", "value", "spelled"),
    [
        ("loss", "ohem", {"name": "ohem"}),
        ("loss", ["ohem"], {"name": "ohem"}),
        ("method", [{"name": "dann", "weight": 1}], {"name": "dann", "weight": 1}),
        ("loss", ["ohem", "dice"], ["ohem", "dice"]),
        ("loss", [], []),
        ("loss", [["ohem"]], ["ohem"]),
        ("model", ["unet"], ["unet"]),
        ("model", 5, 5),
        ("model", {"name": "unet", "width": 3}, {"name": "unet", "width": 3}),
        ("augment", ["flip", {"name": "jitter"}, 5, ["flip"]], [{"name": "flip"}, {"name": "jitter"}, 5, ["flip"]]),
        ("augment", "flip", "flip"),
        ("evaluate_on", ["a", "b"], ["a", "b"]),
        ("crop_px", 96, [96, 96]),
        ("resize_px", 96, [96, 96]),
        ("crop_px", [96, 128], [96, 128]),
        ("batch_size", 96, 96),
        ("source", "urban", "urban"),
    ],
)
def test_what_may_be_written_in_two_ways_has_one_spelling(head: str, value: Any, spelled: Any) -> None:
    assert normal(head, value) == spelled
    assert normal(head, value) is not value or not isinstance(value, dict)


def test_a_configuration_in_plain_values() -> None:
    config = RunConfig(
        model=Component(name="unet", options={"width": 3}),
        dataset=Component(name="land"),
        source="a",
        evaluate_on=("a", "b"),
        augment=(Component(name="flip", options={"p": 1}), Component(name="jitter")),
        crop_px=(3, 4),
        steps=5,
    )
    found = flat(config)
    assert list(found) == list(RunConfig.model_fields)
    wanted = {"model": {"name": "unet", "width": 3}, "dataset": {"name": "land"}, "source": "a", "steps": 5}
    assert {key: found[key] for key in wanted} == wanted
    assert found["evaluate_on"] == ["a", "b"]
    assert found["augment"] == [{"name": "flip", "p": 1}, {"name": "jitter"}]
    assert (found["crop_px"], found["epochs"]) == ([3, 4], None)
