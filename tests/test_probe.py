"""`sweep --dry-run --probe`: a few steps of each distinct cell say what a sweep will take; nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.batches import Batch
from bench.cli import run_command_line
from bench.run import learning
from bench.run import probe as module
from bench.run.place import Place
from bench.run.probe import STEPS, WARM_UP, Probe, cells, probe
from bench.spec import PlannedRun
from bench.store import Store

Make = Callable[..., PlannedRun]
Capture = pytest.CaptureFixture[str]

SWEEP = """\
name: probed
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 4, val_tiles: 2, test_tiles: 3}
  source: urban
  target: rural
  crop_px: 32
  batch_size: 2
  steps: 300
  evaluate_every: 100
grid: {method: [source_only, dacs]}
seeds: [0, 1, 2]
cost: false
"""


@pytest.fixture
def place(results: Path) -> Place:
    return Place(store=Store(results), sweep="test", workers=1)


def test_cells_that_differ_in_the_seed_are_one(planned: Make) -> None:
    configs = [planned(seed=seed, batch_size=batch).config for batch in (2, 3) for seed in (0, 1)]
    assert cells(configs) == [[0, 1], [2, 3]]


def test_a_run_is_the_sum_of_its_parts() -> None:
    assert Probe(read_s=2, step_s=0.5, image_s=0.25, steps=10, images=8).run_s == 9
    assert Probe(fault="does not fit").run_s is None


def test_torch_computes_as_the_run_will(
    planned: Make, place: Place, four_convs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(
        module, "train", lambda *_, **__: seen.append(torch.are_deterministic_algorithms_enabled()) or iter(())
    )
    monkeypatch.setattr(module.statistics, "median", lambda _: 0.0)
    probe(planned(model=four_convs, deterministic=True).config, place)
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_last_steps_are_timed_and_every_image_is_counted(
    planned: Make, place: Place, four_convs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def noted(*words: Any) -> Iterator[Batch]:
        for batch in learning.batches(*words):
            seen.append(batch.step)
            yield batch

    monkeypatch.setattr(module, "batches", noted)
    changes = {"model": four_convs, "target": "rural", "method": "cbst", "steps": 300, "evaluate_every": 100}
    found = probe(planned(**changes).config, place)
    assert seen == list(range(300 - STEPS - WARM_UP, 300))
    assert (found.steps, found.images) == (300, 2 * 3 + 3 * (2 * 2 + 3 * 64))
    assert found.step_s > 0
    assert found.image_s > 0
    assert found.memory_bytes is None or found.memory_bytes > 0
    assert not place.store.read().runs
    short = probe(planned(model=four_convs, steps=1).config, place)
    assert short.steps == 1
    assert short.step_s > 0


@pytest.mark.parametrize("fault", [torch.OutOfMemoryError("no"), MemoryError()])
def test_what_does_not_fit_is_told_and_the_others_are_timed(
    fault: Exception, planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(config: object, place: object) -> Probe:
        raise fault

    monkeypatch.setattr(module, "_probe", full)
    assert probe(planned().config, place).fault == "does not fit at batch size 2"


def test_the_command(tmp_path: Path, four_convs: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP)
    assert run_command_line(["sweep", "sweep.yaml", "--dry-run", "--no-check", "--probe"]) == 0
    out = capsys.readouterr().out
    assert "hours one after the other" in out
    assert "minutes / run" in out
    assert run_command_line(["sweep", "sweep.yaml", "--dry-run", "--no-check", "--probe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["probes"]
    assert [len(cell["run_ids"]) for cell in found] == [3, 3]
    assert all(cell["run_s"] > cell["step_s"] > 0 for cell in found)
    assert not list(Path("results").rglob("r-*.json"))


def test_a_probe_without_a_dry_run_is_refused(tmp_path: Path, capsys: Capture, four_convs: str) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    assert run_command_line(["sweep", str(tmp_path / "sweep.yaml"), "--probe"]) == 2
    assert "add --dry-run" in capsys.readouterr().err
