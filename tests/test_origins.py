"""The sweep files after published systems: each asks for what its system's text states, and runs to the end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench import names
from bench.cli import run_command_line
from bench.spec import ExitCode, PlannedRun
from bench.store import Store
from bench.sweep import load_sweep, problems

FOLDER = Path(__file__).parents[1] / "sweeps" / "origins"

RUNS = {
    "carla_distillation": 5,
    "loveda_pidnet": 5,
    "resnet18_discriminative": 5,
    "unet_early_stopping": 3,
    "unet_losses": 6,
}

ROWS = {
    "carla_distillation": "S2.1 S2.2 S2.3 S2.4 S2.5 S2.6",
    "loveda_pidnet": "S3.1 S3.2 S3.3 S3.4 S3.5 S3.6 S3.7 S3.8 S3.9 S3.10 S3.11",
    "resnet18_discriminative": "S0.1 S0.3 S0.4 S0.5",
    "unet_early_stopping": "S4.1 S4.2 S4.3 S4.4 S4.5",
    "unet_losses": "S1.1 S1.2 S1.3 S1.4 S1.5 S1.6 S1.7 S1.8 S1.9 S1.10",
}


def file(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


def runs(name: str) -> Sequence[PlannedRun]:
    return load_sweep(file(name)).runs


def test_every_file_is_counted() -> None:
    assert sorted(RUNS) == sorted(path.stem for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", RUNS)
def test_a_file_opens_with_its_question_its_runs_its_cost_and_its_rows(name: str) -> None:
    sweep = load_sweep(file(name))
    assert problems(file(name)) == []
    assert sweep.name == name
    assert "?" in sweep.about
    assert f": {len(sweep.runs)} runs, under 3 minutes on two cores." in sweep.about
    assert len(sweep.runs) == RUNS[name]
    assert re.findall(r"row (S\d\.\d+)", sweep.about) == ROWS[name].split()


@pytest.mark.parametrize("name", RUNS)
def test_a_file_needs_no_data_and_no_weights_but_its_own(name: str) -> None:
    ids = {run.run_id for run in runs(name)}
    for run in runs(name):
        config = run.config
        assert config.dataset.name == "landcover"
        assert config.model.options.get("pretrained") is None
        assert set(re.findall(r"r-[0-9a-f]{16}", str(config))) <= ids - {run.run_id}


def values(name: str, get: Callable[[PlannedRun], object]) -> list[object]:
    return [get(run) for run in runs(name)]


def test_rates_grow_as_stated() -> None:
    """S0.3: from 1e-5 at the stem to 1e-3 at the head, and a hundred times that at the top of a triangle."""
    spread = next(run.config for run in runs("resnet18_discriminative") if run.config.groups.options.get("first"))
    top = spread.optimizer.options["lr"]
    low, first = spread.scheduler.options["low"], spread.groups.options["first"]
    assert [top * low * first, top * low, top / (top * low)] == pytest.approx([1e-5, 1e-3, 100])
    assert spread.optimizer.options["momentum"] == 0.9
    assert spread.optimizer.options["weight_decay"] == 0.1


def test_losses_and_augmentations_are_those_stated() -> None:
    """S1.5 to S1.9."""
    losses = values("unet_losses", lambda run: (run.config.loss.name, dict(run.config.loss.options)))
    assert [name for name, _ in losses] == ["cross_entropy"] * 2 + ["dice", "focal"] + ["cross_entropy"] * 2  # type: ignore[misc]
    mixed = values("unet_losses", lambda run: [part.name for part in run.config.augment])
    assert ["flip", "copy_blob", "cutmix"] in mixed
    assert "unet_convnext" in values("unet_losses", lambda run: run.config.model.name)


def test_teachers_learn_along_or_stay_as_they_are() -> None:
    """S2.1 and S2.2."""
    first = runs("carla_distillation")[0]
    taught = [
        run.config.method.options for run in runs("carla_distillation") if run.config.method.name == "distillation"
    ]
    assert first.config.model.name == "unet_resnet34"
    assert [options["teacher"] for options in taught] == ["unet_resnet34", "unet_resnet34", first.run_id]
    assert [options["feature_weight"] > 0 for options in taught] == [False, True, False]


def test_the_published_recipe_is_that_of_the_table() -> None:
    """S3.4, S3.8 and S3.10."""
    for run in runs("loveda_pidnet"):
        config = run.config
        assert (config.batch_size, config.schedule_by) == (6, "epoch")
        assert config.optimizer.options == {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False}
        assert config.scheduler.options == {"power": 0.9}
    assert "pidnet" in values("loveda_pidnet", lambda run: run.config.loss.name)
    assert names.dataset_info("loveda").class_names == names.dataset_info("landcover").class_names


# ------------------------------------------------------------------ run for real


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RUNS)
def test_a_file_runs_to_its_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(file(name), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["sweep", f"{name}.yaml"]) == ExitCode.OK
    records = {one.record.run_id: one.record for one in Store(Path("results")).read().runs}
    assert set(records) == {run.run_id for run in runs(name)}
    for run_id in records:
        folder = Path(".bench/runs") / run_id
        assert {"panels.png", "curves.png", "chosen.pt", "events.jsonl"} <= {path.name for path in folder.iterdir()}
    if name == "unet_early_stopping":
        assert any(record.stopped_at for record in records.values())
    if name == "resnet18_discriminative":
        started = [record.init for record in records.values() if record.init]
        assert [(found["missing"], found["unexpected"]) for found in started] == [(0, 0)] * 4
    assert run_command_line(["report", "--format", "csv"]) == ExitCode.OK
