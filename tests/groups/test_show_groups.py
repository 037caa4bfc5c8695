"""`bench show --groups`: a table of who learns at which rate, the same as what the optimizer of a run is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.cli import run_command_line
from bench.run.grouping import groupings
from bench.run.parts import build_parts
from bench.spec import PlannedRun

Make = Callable[..., PlannedRun]
Capture = pytest.CaptureFixture[str]

SWEEP = """\
name: shown
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 4, val_tiles: 2, test_tiles: 3}
  source: urban
  batch_size: 2
  steps: 30
  warmup_steps: 10
  warmup_from: 0.5
  optimizer: {name: sgd, lr: 0.1, weight_decay: 0.02}
  groups: {name: by_stage, head: 10, decay_norms: false, frozen: [stem], thaw: 0.25}
seeds: [0, 1]
cost: false
"""


@pytest.fixture
def sweep(tmp_path: Path, four_convs: str) -> Path:
    path = tmp_path / "shown.yaml"
    path.write_text(SWEEP)
    return path


def test_the_table_says_who_learns_at_which_rate_and_from_when(sweep: Path, capsys: Capture) -> None:
    assert run_command_line(["show", str(sweep), "--groups"]) == 0
    name, header, *rows, last = capsys.readouterr().out.splitlines()
    assert name.endswith("and 1 more")
    assert header.split("  ")[0] == "stage"
    assert [" ".join(row.split()) for row in rows] == [
        "stem 216 0.1 0.02 after 25 % of the run",
        "stem: norms and biases 24 0.1 0 after 25 % of the run",
        "middle 1,152 0.1 0.02 from the start",
        "middle: norms and biases 16 0.1 0 from the start",
        "head 56 1 0.02 from the start",
        "head: norms and biases 7 1 0 from the start",
    ]
    assert last == "schedule poly, warm-up of 10 steps: the first update takes 0.5 of these rates"


def test_what_never_learns_is_in_the_table_too(sweep: Path, capsys: Capture) -> None:
    groups = "groups={name: by_stage, frozen: [stem, middle]}"
    assert run_command_line(["show", str(sweep), "--groups", "--set", groups]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows[2:5] == ["stem 240 never (frozen)", "middle 1,168 never (frozen)", "head 63 0.1 0.02 from the start"]


def test_json_holds_the_same(sweep: Path, capsys: Capture) -> None:
    assert run_command_line(["show", str(sweep), "--groups", "--json"]) == 0
    (recipe,) = json.loads(capsys.readouterr().out)["recipes"]
    assert len(recipe["runs"]) == 2
    assert recipe["first_factor"] == 0.5
    first = {"stage": "stem", "parameters": 216, "lr": 0.1, "weight_decay": 0.02, "until": 0.25}
    assert recipe["groups"][0] == first


def test_an_unknown_stage_is_one_line(sweep: Path, capsys: Capture) -> None:
    groups = "groups={name: by_stage, frozen: [steam]}"
    assert run_command_line(["show", str(sweep), "--groups", "--set", groups]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the model has no stage 'steam'; did you mean stem? (stages, stem to head: stem, middle, head)" in line


@pytest.mark.parametrize("groups", ["uniform", {"name": "by_stage", "first": 0.1, "decay_norms": False}])
def test_it_is_what_a_run_is_built_with(planned: Make, four_convs: str, groups: object) -> None:
    config = planned(model=four_convs, groups=groups).config
    (found,) = groupings([config])
    parts = build_parts(config, torch.device("cpu"))
    wanted = [
        (sum(p.numel() for p in group["params"]), group["initial_lr"], group["weight_decay"])
        for group in parts.optimizers[0].param_groups
    ]
    assert [(group.parameters, group.lr, group.weight_decay) for group in found.groups] == wanted
    assert sum(group.parameters for group in found.groups) == sum(p.numel() for p in parts.model.parameters())


def test_recipes_that_differ_have_a_table_each(planned: Make) -> None:
    configs = [planned(seed=seed, optimizer=optimizer).config for seed in (0, 1) for optimizer in ("sgd", "adamw")]
    assert [one.positions for one in groupings(configs)] == [(0, 2), (1, 3)]
    assert groupings([]) == []


def test_a_record_s_groups_can_be_shown(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[1] / "fixtures" / "records" / "v2"
    run = sorted(path.name.partition(".")[0] for path in (folder / "runs").glob("r-*.json"))[0]
    assert run_command_line(["show", run, "--groups", "--results", str(folder)]) == 0
    assert "parameters" in capsys.readouterr().out
