"""`--set key=value` replaces a key everywhere in a sweep, or says why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import BenchError, CostRequest, RunConfig
from bench.sweep import load_sweep, option_values, problems

TEXT = """
name: over
base:
  model: pidnet_s
  dataset: land
  source: urban
  steps: 5
  optimizer: {name: sgd, lr: 0.5}
grid:
  loss: [cross_entropy, ohem]
  optimizer.lr: [0.1, 0.2]
zip:
  target: [urban, rural]
  batch_size: [2, 3]
include:
  - {steps: 9, batch_size: 8}
seeds: [0, 1]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "over.yaml"
    path.write_text(TEXT)
    return path


def configs(file: Path, *overrides: str) -> list[RunConfig]:
    return [run.config for run in load_sweep(file, overrides=overrides).runs]


def test_without_overrides_every_cell_is_there(file: Path) -> None:
    assert len(configs(file)) == (2 * 2 * 2 + 1) * 2


def test_a_plain_value_replaces_base_and_include(file: Path) -> None:
    assert {c.steps for c in configs(file, "steps=7")} == {7}


def test_a_value_replaces_an_axis(file: Path) -> None:
    found = configs(file, "loss=ohem")
    assert {c.loss.name for c in found} == {"ohem"}
    assert len(found) == (2 * 2 + 1) * 2


def test_several_values_are_an_axis_in_the_place_of_the_old_one(file: Path) -> None:
    found = configs(file, "optimizer.lr=0.3,0.4,1e-3")
    assert [c.optimizer.options["lr"] for c in found[:12:4]] == [0.3, 0.4, 0.001]
    assert len(found) == (2 * 3 * 2 + 3) * 2


def test_one_value_of_a_zip_is_taken_out_of_it(file: Path) -> None:
    found = configs(file, "batch_size=4")
    assert {c.batch_size for c in found} == {4}
    assert {c.target for c in found[:16]} == {"land/urban", "land/rural"}


def test_an_option_is_set_over_an_axis_of_whole_components(tmp_path: Path) -> None:
    file = tmp_path / "whole.yaml"
    file.write_text(
        "name: x\nbase: {model: unet, dataset: land, source: urban, steps: 1}\ngrid: {optimizer: [sgd, adam]}\n"
    )
    found = configs(file, "optimizer.lr=0.25")
    assert [(c.optimizer.name, c.optimizer.options["lr"]) for c in found] == [("sgd", 0.25), ("adam", 0.25)]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("evaluate_on=rural,urban", "evaluate_on", ("land/rural", "land/urban")),
        ("evaluate_on=rural", "evaluate_on", ("land/rural",)),
        ("evaluate_on=[rural]", "evaluate_on", ("land/rural",)),
        ("resize_px=96", "resize_px", (96, 96)),
        ("resize_px=96,128", "resize_px", (96, 128)),
        ("crop_px=96", "crop_px", (96, 96)),
        ("crop_px=96,128", "crop_px", (96, 128)),
        ("crop_px=[96, 128]", "crop_px", (96, 128)),
        ("crop_px=", "crop_px", None),
        ("target=null", "target", None),
        ("precision=bf16", "precision", "bf16"),
        ("precision='bf16'", "precision", "bf16"),
        ('precision="bf16"', "precision", "bf16"),
        ("evaluate_every = 3", "evaluate_every", 3),
        ("init=a=b", "init", "a=b"),
    ],
)
def test_values_are_read_as_in_the_file(text: str, key: str, value: Any, file: Path) -> None:
    assert {getattr(c, key) for c in configs(file, text)} == {value}


def test_flow_yaml_writes_components(file: Path) -> None:
    found = configs(file, "loss={name: ohem, threshold: 0.5}", "augment=flip,jitter")
    assert {c.loss.options["threshold"] for c in found} == {0.5}
    assert {tuple(a.name for a in c.augment) for c in found} == {("flip", "jitter")}
    assert {c.augment for c in configs(file, "augment=")} == {()}


def test_seeds_and_cost_are_set_too(file: Path) -> None:
    sweep = load_sweep(file, overrides=["seeds=3", "cost.size=64,96", "cost.budget_s=2"])
    assert {run.config.seed for run in sweep.runs} == {3}
    assert sweep.cost == CostRequest(size=(64, 96), budget_s=2)
    assert load_sweep(file, overrides=["cost=false"]).cost is None
    assert {run.config.seed for run in load_sweep(file, overrides=["seeds=4,5"]).runs} == {4, 5}


def test_an_exclude_that_an_override_made_idle_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "idle.yaml"
    file.write_text(
        "name: x\nbase: {dataset: land, source: urban, steps: 1}\ngrid: {model: [unet, pidnet_s, deeplab]}\n"
        "exclude: [{model: unet}]\n"
    )
    assert len(configs(file)) == 2
    assert len(configs(file, "model=pidnet_s")) == 1
    with pytest.raises(BenchError, match="no run is left"):
        configs(file, "model=unet")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("stpes=3", "--set stpes: unknown key 'stpes'; did you mean steps or seeds"),
        ("base.steps=3", "--set base.steps: unknown key 'base'"),
        ("grid=3", "--set grid: unknown key 'grid'"),
        ("name=y", "--set name: unknown key 'name'"),
        ("seed=3", "--set seed: a seed is no part"),
        ("cost.sise=3", "--set cost.sise: unknown key 'cost'; did you mean cost.size"),
        ("sedes=1", "--set sedes: unknown key 'sedes'; did you mean seeds or steps"),
        ("csot=false", "--set csot: unknown key 'csot'; did you mean cost?"),
        ("steps.x=3", "--set steps.x: `steps` has no options; write the whole value of `steps`"),
        ("optimizer.=3", "--set optimizer.: `optimizer.` names no option; write `optimizer.option`"),
        ("augment=3", "--set augment: 3 is not"),
        ("cost.size=0", "--set cost.size: 0 is no value"),
        ("cost=64", "--set cost: 64 is no request"),
        ("steps", "--set steps: 'steps' has no `=`"),
        ("=3", "--set : unknown key ''"),
        ("steps=ten", "--set steps: 'ten' is not a whole number"),
        ("steps=017", "--set steps: '017' is text"),
        ("steps=1e400", "--set steps: 1e400 is too large"),
        ("optimizer.rl=3", "--set optimizer.rl: unknown option 'rl'"),
        ("optimizer.lr=fast", "--set optimizer.lr: 'fast' is no value"),
        ("loss={name: ohem, treshold: 1}", "--set loss.treshold: unknown option"),
        ("loss={name: ohem", "--set loss"),
        ("loss=!!python/name:x", "--set loss: unknown loss"),
        ("model=[]", "--set model: an axis without values"),
        ("model=unat", "--set model: unknown model 'unat'; did you mean unet?"),
        ("source=sky", "--set source: land has no domain 'sky'"),
        ("seeds=x", "--set seeds: 'x' is no seed"),
        ("seeds=", "--set seeds: [] is no list of seeds"),
        ("epochs=3", "--set epochs: exactly one of"),
    ],
)
def test_a_wrong_override_is_one_line_that_names_it(text: str, line: str, file: Path) -> None:
    found = problems(file, [text])
    assert found
    assert str(found[0]).startswith(line)
    assert len({error.key for error in found}) == 1


def test_a_key_given_twice_is_refused(file: Path) -> None:
    with pytest.raises(BenchError, match="--set steps: given twice"):
        configs(file, "steps=3", "steps=4")


def test_an_axis_of_an_override_comes_after_those_of_the_file_and_reaches_what_is_included(file: Path) -> None:
    found = configs(file, "evaluate_every=1,2", "loss=ohem,cross_entropy", "seeds=3")
    assert [c.loss.name for c in found[:16]] == ["ohem"] * 8 + ["cross_entropy"] * 8
    assert [c.evaluate_every for c in found[:16]] == [1, 2] * 8
    assert [(c.evaluate_every, c.loss.name) for c in found[16:]] == [
        *((1, "ohem"), (1, "cross_entropy"), (2, "ohem"), (2, "cross_entropy")),
    ]


def test_a_whole_value_leaves_the_options_and_an_option_leaves_the_whole(file: Path) -> None:
    assert {c.optimizer.options["lr"] for c in configs(file, "optimizer=sgd")} == {0.1, 0.2, 0.01}
    assert {c.optimizer.options["lr"] for c in configs(file, "optimizer.momentum=0.5")} == {0.1, 0.2, 0.5}


def test_an_axis_of_one_key_of_a_zip_leaves_the_other(file: Path) -> None:
    found = configs(file, "target=rural", "batch_size=4", "loss=ohem", "optimizer.lr=0.3", "seeds=0")
    assert [(c.target, c.batch_size) for c in found] == [("land/rural", 4)] * 2


def test_cost_is_changed_key_by_key(file: Path) -> None:
    assert load_sweep(file, overrides=["cost.repeats=5", "cost.latency=false"]).cost == CostRequest(
        repeats=5, latency=False
    )
    assert load_sweep(file, overrides=["cost=false", "cost.repeats=5"]).cost == CostRequest(repeats=5)
    assert load_sweep(file, overrides=["cost.repeats=5", "cost=true"]).cost == CostRequest()
    assert load_sweep(file, overrides=["cost={size: 64}"]).cost == CostRequest(size=(64, 64))


def test_several_wrong_overrides_are_all_told(file: Path) -> None:
    told = [str(error) for error in problems(file, ["steps", "seeds=x", "steps=3", "steps=4", "cost.size=0"])]
    assert told == [
        "--set steps: 'steps' has no `=`; write --set key=value",
        "--set seeds: 'x' is no seed; write whole numbers from 0 to 4294967295",
        "--set steps: given twice; keep one",
        "--set cost.size: 0 is no value for it; input should be greater than or equal to 1",
    ]


def test_options_of_a_component_are_spelled_as_in_a_file() -> None:
    texts = ["lr = 1e-3", "name=a=b", "betas=0.9,0.99", "flag=true", "none=", "list=[1]", "quoted='1'", "word=no"]
    assert option_values(texts) == {
        "lr": 0.001,
        "name": "a=b",
        "betas": [0.9, 0.99],
        "flag": True,
        "none": None,
        "list": [1],
        "quoted": "1",
        "word": "no",
    }
    assert option_values([]) == {}
    with pytest.raises(BenchError) as caught:
        option_values(["lr=1", "lr"])
    assert str(caught.value) == "--set: 'lr' has no `=`; write --set key=value"
