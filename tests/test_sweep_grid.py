"""What a grid expands to: laws that hold for every grid, on tables with known options."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_stand_ins.plug import stand_ins  # noqa: F401

import bench.sweep.exclusion
import bench.sweep.load
from bench import names
from bench.spec import BenchError, Sweep
from bench.sweep import load_sweep, problems

LAWS = settings(derandomize=True, max_examples=25, deadline=None)

AXES: dict[str, list[Any]] = {
    "model": ["pidnet_s", "unet", "deeplab"],
    "loss": ["cross_entropy", "ohem", {"name": "ohem", "threshold": 0.5}],
    "source": ["urban", "rural", "aerial/no"],
    "optimizer.lr": [0.1, 0.2, 1e-3],
    "batch_size": [2, 3, 4],
    "crop_px": [32, [32, 64], None],
    "augment": [[], ["flip"], [{"name": "flip", "p": 0.25}]],
}

GRIDS = st.dictionaries(st.sampled_from(sorted(AXES)), st.permutations([0, 1, 2]).map(lambda p: p[:2]), max_size=4).map(
    lambda picked: {key: [AXES[key][i] for i in indices] for key, indices in picked.items()}
)


def document(**sections: Any) -> dict[str, Any]:
    base = {"model": "pidnet_s", "dataset": "land", "source": "urban", "steps": 5, **sections.pop("base", {})}
    return {"name": "laws", "base": base, **sections}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laws")


def expand(folder: Path, doc: dict[str, Any]) -> Sweep:
    """The sweep of a document; JSON is YAML, and keeps the order of keys."""
    file = folder / "laws.yaml"
    file.write_text(json.dumps(doc))
    return load_sweep(file)


def ids(folder: Path, doc: dict[str, Any]) -> list[str]:
    return [run.run_id for run in expand(folder, doc).runs]


def shuffled(value: Any, seed: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, shuffled(inner, seed)) for key, inner in value.items()]
        seed.shuffle(items)
        return dict(items)
    return value


@given(GRIDS, st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
@LAWS
def test_there_are_as_many_runs_as_the_product_says(folder: Path, grid: dict[str, Any], seeds: list[int]) -> None:
    found = ids(folder, document(grid=grid, seeds=seeds))
    assert len(found) == math.prod(map(len, grid.values())) * len(seeds)
    assert len(set(found)) == len(found)


@given(GRIDS, st.randoms(use_true_random=False))
@LAWS
def test_the_order_of_keys_and_values_moves_no_id(folder: Path, grid: dict[str, Any], seed: random.Random) -> None:
    mixed = {key: seed.sample(values, len(values)) for key, values in shuffled(grid, seed).items()}
    one, other = document(grid=grid), shuffled(document(grid=mixed), seed)
    assert set(ids(folder, one)) == set(ids(folder, other))


@given(GRIDS.filter(bool), st.data())
@LAWS
def test_one_more_value_keeps_every_id(folder: Path, grid: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(grid)))
    more = next(value for value in AXES[key] if value not in grid[key])
    assert set(ids(folder, document(grid=grid))) < set(ids(folder, document(grid={**grid, key: [*grid[key], more]})))


def exclusion_law(folder: Path, grid: dict[str, Any], key: str) -> None:
    value = grid[key][0]
    whole = expand(folder, document(grid=grid))
    without = expand(folder, document(grid={**grid, key: grid[key][1:]}))
    excluded = expand(folder, document(grid=grid, exclude=[{key: value}]))
    assert {run.run_id for run in excluded.runs} == {run.run_id for run in without.runs}
    assert len(whole.runs) == len(excluded.runs) * 2


EXACT = {**AXES, "loss": ["cross_entropy", {"name": "ohem", "threshold": 0.5}]}
EXACT_GRIDS = st.sets(st.sampled_from(sorted(EXACT)), min_size=1, max_size=3).map(
    lambda keys: {key: EXACT[key][:2] for key in sorted(keys)}
)


@given(EXACT_GRIDS, st.data())
@LAWS
def test_exclude_removes_exactly_what_it_names(folder: Path, grid: dict[str, Any], data: st.DataObject) -> None:
    exclusion_law(folder, grid, data.draw(st.sampled_from(sorted(grid))))


def test_an_exclude_that_looks_at_one_key_only_is_caught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the law above, against an exclusion that takes any value of a component for the same."""
    right = bench.sweep.exclusion._agrees
    monkeypatch.setattr(bench.sweep.exclusion, "_agrees", lambda s, v, h: s.key == "loss" or right(s, v, h))
    with pytest.raises((AssertionError, BenchError)):
        exclusion_law(folder, {"loss": EXACT["loss"], "model": ["unet", "deeplab"]}, "loss")


@given(EXACT_GRIDS)
@LAWS
def test_what_is_excluded_can_be_included_again(folder: Path, grid: dict[str, Any]) -> None:
    cell = {key: values[0] for key, values in grid.items()}
    back = document(grid=grid, exclude=[cell], include=[cell])
    assert set(ids(folder, back)) == set(ids(folder, document(grid=grid)))


def test_too_large_a_grid_is_refused_before_anything_is_built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: Any) -> Any:
        raise AssertionError("the grid was walked")

    monkeypatch.setattr(bench.sweep.load, "cells", never)
    keys = ("batch_size", "evaluate_every", "steps", "schedule_steps", "crop_px", "resize_px")
    grid = {key: list(range(1, 1001)) for key in keys}
    with pytest.raises(BenchError, match="1000000000000000000 runs are more than 10000"):
        ids(folder, document(grid=grid))
    with pytest.raises(BenchError, match="20000 runs are more than 10000"):
        ids(folder, document(include=[{"batch_size": i} for i in range(1, 101)], seeds=list(range(200))))


@given(GRIDS)
@LAWS
def test_defaults_written_out_or_left_out_are_one_id(folder: Path, grid: dict[str, Any]) -> None:
    spelled = {
        "model": {"name": "pidnet_s", "aux": True, "width": 32},
        "evaluate_on": ["land/urban", "rural"],
        "optimizer": {"momentum": 0.9, "name": "sgd"},
        "scheduler": {"power": 0.9, "name": "poly"},
        "method": "source_only",
        "target": None,
        "batch_size": 6,
        "epochs": None,
        "precision": "fp32",
        "augment": [],
    }
    assert ids(folder, document(grid=grid)) == ids(folder, document(grid=grid, base=spelled))


@given(GRIDS)
@LAWS
def test_a_configuration_written_down_again_keeps_its_id(folder: Path, grid: dict[str, Any]) -> None:
    for run in expand(folder, document(grid=grid)).runs[:3]:
        again = run.config.model_dump(mode="json")
        seed = again.pop("seed")
        assert ids(folder, {"name": "again", "base": again, "seeds": [seed]}) == [run.run_id]


CHANGES: list[tuple[str, Any]] = [
    ("model", "unet"),
    ("model", {"name": "pidnet_s", "width": 33}),
    ("dataset", {"name": "land", "tile_px": 65}),
    ("source", "rural"),
    ("target", "rural"),
    ("evaluate_on", ["urban"]),
    ("evaluate_on", ["rural", "urban"]),
    ("method", {"name": "dann", "weight": 1}),
    ("method", {"name": "dann", "weight": 2}),
    ("loss", "ohem"),
    ("loss", {"name": "ohem", "threshold": 0.8}),
    ("optimizer", "adam"),
    ("optimizer", {"name": "adam", "betas": [0.9, 0.99]}),
    ("scheduler", {"name": "poly", "power": 1}),
    ("augment", ["flip"]),
    ("augment", ["flip", "flip"]),
    ("resize_px", 64),
    ("crop_px", 64),
    ("crop_px", [64, 65]),
    ("batch_size", 7),
    ("steps", 6),
    ("schedule_steps", 7),
    ("evaluate_every", 1),
    ("precision", "bf16"),
]


def test_every_single_change_is_another_id(folder: Path) -> None:
    found = [ids(folder, document(base={key: value}))[0] for key, value in CHANGES]
    found += ids(folder, document(seeds=[0, 1]))
    assert len(set(found)) == len(CHANGES) + 2


def test_an_id_that_forgets_a_field_is_caught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: an identity without the seed makes twins, and twins are refused."""
    right = names.identity
    monkeypatch.setattr(names, "identity", lambda c: {k: v for k, v in right(c).items() if k != "seed"})
    with pytest.raises(BenchError, match=r"cells 'seeds\.0' and 'seeds\.1' are the same run"):
        ids(folder, document(seeds=[0, 1]))


def test_a_key_that_a_component_does_not_know_is_refused_not_ignored(folder: Path) -> None:
    with pytest.raises(BenchError, match=r"grid\.model\.width: unknown option 'width' of model 'unet'"):
        ids(folder, document(base={"model": "unet"}, grid={"model.width": [1, 2]}))


def test_numbers_are_one_where_the_schema_says_so_and_three_where_it_is_silent(folder: Path) -> None:
    lr = [{"optimizer": {"name": "sgd", "lr": lr}} for lr in (1, 1.0)]
    assert len({ids(folder, document(base=b))[0] for b in lr}) == 1
    note = [{"method": {"name": "dann", "weight": 1, "note": note}} for note in (1, 1.0, True, "1")]
    assert len({ids(folder, document(base=b))[0] for b in note}) == 4
    zero = [{"optimizer": {"name": "sgd", "momentum": zero}} for zero in (0, 0.0, -0.0)]
    assert len({ids(folder, document(base=b))[0] for b in zero}) == 1
    text = [{"method": {"name": "dann", "weight": 1, "note": note}} for note in ("\u00e9", "e\u0301")]
    assert len({ids(folder, document(base=b))[0] for b in text}) == 1
    with pytest.raises(BenchError, match="are the same run"):
        ids(folder, document(grid={"optimizer.lr": [1, 1.0]}))


# ------------------------------------------------------------------ the meaning of each section


def cells(folder: Path, *keys: str, **sections: Any) -> list[tuple[Any, ...]]:
    def value(config: Any, key: str) -> Any:
        head, _, option = key.partition(".")
        found = getattr(config, head)
        return found.options[option] if option else getattr(found, "name", found)

    return [tuple(value(run.config, key) for key in keys) for run in expand(folder, document(**sections)).runs]


def test_the_first_axis_varies_slowest_and_seeds_fastest(folder: Path) -> None:
    found = cells(
        folder,
        *("batch_size", "crop_px", "target", "seed"),
        grid={"batch_size": [4, 2], "crop_px": [32]},
        zip={"target": ["urban", "rural"]},
        seeds=[1, 0],
    )
    rows = [(b, t, s) for b in (4, 2) for t in ("land/urban", "land/rural") for s in (1, 0)]
    assert found == [(b, (32, 32), t, s) for b, t, s in rows]


def test_zip_varies_together(folder: Path) -> None:
    found = cells(folder, "source", "target", zip={"source": ["urban", "rural"], "target": ["rural", "urban"]})
    assert found == [("land/urban", "land/rural"), ("land/rural", "land/urban")]


def test_a_whole_component_replaces_and_an_option_is_set_over_it(folder: Path) -> None:
    base = {"optimizer": {"name": "sgd", "lr": 0.5, "momentum": 0.5}}
    grid = {"optimizer.lr": [0.25], "optimizer": [{"name": "sgd", "momentum": 0.1}, {"name": "sgd", "lr": 3}]}
    assert cells(folder, "optimizer.lr", "optimizer.momentum", base=base, grid=grid) == [(0.25, 0.1), (0.25, 0.9)]


def test_an_option_of_a_default_component_needs_no_name(folder: Path) -> None:
    assert cells(folder, "optimizer", "optimizer.lr", grid={"optimizer.lr": [0.25]}) == [("sgd", 0.25)]


def test_include_adds_cells_over_the_base_and_alone_is_the_whole_sweep(folder: Path) -> None:
    include = [{"model": "unet"}, {"model": "deeplab", "model.variant": "torchvision"}]
    assert cells(folder, "model", include=include) == [("unet",), ("deeplab",)]
    assert cells(folder, "model", include=include, grid={}) == [("pidnet_s",), ("unet",), ("deeplab",)]


def test_exclude_rescues_a_grid_whose_product_is_not_all_valid(folder: Path) -> None:
    grid = {"model": ["unet", "deeplab"], "model.variant": ["caffe", "torchvision"]}
    assert [c[0] for c in cells(folder, "model", grid=grid, exclude=[{"model": "unet"}])] == ["deeplab"] * 2


@pytest.mark.parametrize(
    "entry",
    [
        {"loss": "ohem"},
        {"loss": {"name": "ohem"}},
        {"loss": {"threshold": 0.5}},
        {"loss.threshold": 0.5},
        {"loss": {"name": "ohem", "min_kept": 4096}},
        {"source": "land/urban", "loss": "ohem", "seed": 0},
        {"loss": "ohem", "evaluate_on": ["urban", "land/rural"], "crop_px": 32},
    ],
)
def test_exclude_matches_resolved_values(folder: Path, entry: dict[str, Any]) -> None:
    grid = {"loss": ["cross_entropy", {"name": "ohem", "threshold": 0.5}]}
    assert cells(folder, "loss", base={"crop_px": 32}, grid=grid, exclude=[entry]) == [("cross_entropy",)]


def test_true_is_not_one_in_an_exclude(folder: Path) -> None:
    assert len(problems_of(folder, document(grid={"batch_size": [1, 2]}, exclude=[{"batch_size": True}]))) == 1


def problems_of(folder: Path, doc: dict[str, Any]) -> list[BenchError]:
    file = folder / "problems.yaml"
    file.write_text(json.dumps(doc))
    return problems(file)


def test_evaluate_on_left_out_is_every_domain(folder: Path) -> None:
    found = cells(folder, "evaluate_on", base={"dataset": "aerial", "source": "north"})
    assert found == [(("aerial/north", "aerial/south", "aerial/no"),)]


def test_cost_and_about(folder: Path) -> None:
    assert expand(folder, document(cost=False)).cost is None
    cost = expand(folder, document(cost={"size": [64, 96], "latency": False})).cost
    assert cost is not None
    assert (cost.size, cost.latency) == ((64, 96), False)
    assert expand(folder, document(about="Why?\nBecause.")).about == "Why? Because."
    file = folder / "comment.yaml"
    file.write_text("# Which is best?\n#\n# 1 run.\n" + json.dumps(document()))
    assert load_sweep(file).about == "Which is best? 1 run."


# ------------------------------------------------------------------ a slip in a sound file

LINES = [
    "name: slips",
    "base:",
    "  model: pidnet_s",
    "  dataset: {name: land, tile_px: 64}",
    "  source: urban",
    "  steps: 5",
    "  batch_size: 4",
    "  crop_px: [32, 32]",
    "  evaluate_every: 1",
    "  optimizer: {name: sgd, lr: 0.1}",
    "grid:",
    "  loss: [cross_entropy, ohem]",
    "seeds: [0, 1]",
]
SLIPPERY = [i for i, line in enumerate(LINES) if line not in ("base:", "grid:")]


def slip(kind: str, i: int) -> list[str]:
    key, _, value = LINES[i].partition(":")
    changed = {
        "rename": [f"{key}z:{value}"],
        "duplicate": [LINES[i], LINES[i]],
        "retype": [f"{key}: {{a: 1}}"],
        "empty": [f"{key}: ''"],
    }[kind]
    return [*LINES[:i], *changed, *LINES[i + 1 :]]


@pytest.mark.parametrize("kind", ["rename", "duplicate", "retype", "empty"])
@pytest.mark.parametrize("i", SLIPPERY, ids=lambda i: LINES[i].split(":")[0].strip())
def test_a_slip_is_told_on_its_own_line(folder: Path, kind: str, i: int) -> None:
    file = folder / "slips.yaml"
    file.write_text("\n".join(LINES) + "\n")
    assert problems(file) == []
    file.write_text("\n".join(slip(kind, i)) + "\n")
    found = problems(file)
    line = i + (2 if kind == "duplicate" else 1)
    word = LINES[i].partition(":")[0].strip()
    hits = [error for error in found if error.line == line]
    assert hits, [str(error) for error in found]
    assert any(word in error.key for error in hits)
    if kind != "rename":  # a renamed `name` is also missing
        assert len(found) == len(hits)


def test_a_sweep_of_no_cells_is_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match=r"include: no run is left; add a cell"):
        ids(folder, document(include=[]))
