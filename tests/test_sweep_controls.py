"""`controls: auto`: every run that adapts gets its reference rows, once, matched in all but the method."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench.sweep.load
from bench.names import identity
from bench.spec import BenchError, Sweep
from bench.sweep import load_sweep
from bench.sweep.controls import CONTROLS

SWEEP = """\
name: adapting
base: {{model: pidnet_s, dataset: landcover, source: urban, target: rural, steps: 9, loss: ohem, {base}}}
grid:
  method: {methods}
seeds: [0, 4]
{controls}
"""


def load(tmp_path: Path, methods: str, controls: str = "controls: auto", base: str = "batch_size: 3") -> Sweep:
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP.format(methods=methods, controls=controls, base=base))
    return load_sweep(file)


def test_each_adapting_run_has_its_three_controls(tmp_path: Path) -> None:
    alone, every = (
        load(tmp_path, "[dacs, {name: fda, beta: 0.05}]", ""),
        load(tmp_path, "[dacs, {name: fda, beta: 0.05}]"),
    )
    assert every.runs[:4] == alone.runs  # names and ids of what was there stay
    added = every.runs[4:]
    assert sorted((run.config.method.name, run.config.seed) for run in added) == sorted(
        (name, seed) for name in CONTROLS for seed in (0, 4)
    )
    for run in added:
        partner = next(r for r in alone.runs if r.config.seed == run.config.seed)
        differ = {k for k, v in identity(run.config).items() if identity(partner.config).get(k) != v}
        assert differ <= {"method"}
    assert len({run.run_id for run in every.runs}) == len({run.name for run in every.runs}) == 10


def test_a_control_that_is_in_the_grid_is_not_added_again(tmp_path: Path) -> None:
    listed = load(tmp_path, "[source_only, dacs, joint]")
    assert [run.config.method.name for run in listed.runs].count("source_only") == 2
    added = load(tmp_path, "[dacs]")
    assert {run.run_id for run in listed.runs} == {run.run_id for run in added.runs}
    assert {run.name for run in listed.runs} == {run.name for run in added.runs}


def test_controls_are_chosen_by_the_same_rule(tmp_path: Path) -> None:
    runs = load(tmp_path, "[advent]", base="evaluate_every: 3, choose: snd").runs
    assert {run.config.choose for run in runs} == {"snd"}


@pytest.mark.parametrize(
    ("methods", "base", "words"),
    [
        ("[source_only, oracle]", "batch_size: 3", "no run adapts to a target"),
        ("[dacs]", "evaluate_every: 3, choose: agreement", "controls have no teacher"),
    ],
)
def test_controls_that_make_no_sense_are_refused(tmp_path: Path, methods: str, base: str, words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        load(tmp_path, methods, base=base)
    assert (caught.value.line, caught.value.key) == (6, "controls")
    load(tmp_path, methods, "", base)  # negative control: the same file without the line


def test_controls_count_as_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.sweep.load, "MAX_RUNS", 8)
    assert len(load(tmp_path, "[dacs]").runs) == 8
    monkeypatch.setattr(bench.sweep.load, "MAX_RUNS", 7)
    with pytest.raises(BenchError, match=r":6:1: controls: 8 runs are more than 7; split the sweep"):
        load(tmp_path, "[dacs]")


def test_the_controls_are_these_three_in_this_order(tmp_path: Path) -> None:
    runs = load(tmp_path, "[dacs]", base="batch_size: 3").runs
    assert [run.config.method.name for run in runs] == ["dacs", "dacs", *[name for _ in "04" for name in CONTROLS]]
    assert CONTROLS == ("source_only", "oracle", "joint")
