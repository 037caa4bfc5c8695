"""What the harness takes for its own books, as whole processes: help, a report on 1,000 runs, a sweep already finished.

Beside each stands what the same files cost to be read as plain JSON by a bare interpreter.
"""

from __future__ import annotations

import hashlib
import io
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import machine, names
from bench.names.code import code_digests
from bench.spec import Domain, History, PlannedRun, RunRecord, Sweep
from bench.store import Store, dump
from bench.sweep import load_sweep

REPEATS = 5
SWEEP = """\
name: books
base:
  model: pidnet_s
  dataset: {{name: landcover, tile_px: 64}}
  steps: 600
grid:
  source: [urban, rural]
  loss: [cross_entropy, ohem]
  optimizer.lr: [0.1, 0.01, 0.001, 0.0001, 0.2]
  batch_size: [1, 2, 3, 4, 5]
seeds: {seeds}
cost: false
"""
CLASSES = ("background", "building", "road", "water", "barren", "forest", "agriculture")
READING = "import json, sys, pathlib\nfor p in pathlib.Path(sys.argv[1]).glob('r-*.json'): json.loads(p.read_bytes())"


def folder_of_runs(folder: Path, runs: int, images: int) -> Path:
    """A sweep file in `folder` with a finished record of each run beside it; `images` counts per domain, or none."""
    file = folder / "books.yaml"
    file.write_text(SWEEP.format(seeds=list(range(runs // 100))))
    sweep, store = load_sweep(file), Store(folder / "results")
    (folder / "results" / "runs").mkdir(parents=True)
    store.work.mkdir()
    facts: dict[str, Any] = {"machine": machine.describe("cpu"), "software": {"python": "3", "numpy": np.__version__}}
    for number, run in enumerate(sweep.runs):
        path = store.run_file(run.run_id)
        record, content = finished(run, sweep, number, images, facts)
        if content:
            path.with_suffix(".images.npz").write_bytes(content)
        path.write_bytes(dump(record))
    store.save_sweep(sweep)
    (folder / "README.md").write_text("<!-- bench:report begin -->\n<!-- bench:report end -->\n")
    return folder


def finished(run: PlannedRun, sweep: Sweep, number: int, images: int, facts: dict[str, Any]) -> tuple[RunRecord, bytes]:
    """A record as a run of 600 steps leaves it, and its counts per image."""
    rng, domains = np.random.default_rng(number), run.config.evaluate_on
    share = np.eye(7) * (2 + number % 5) + rng.random((7, 7))
    counts = {d: rng.multinomial(512, share / share.sum(1, keepdims=True), (max(images, 1), 7)) for d in domains}
    counts = {d: np.ascontiguousarray(c) for d, c in counts.items()}
    buffer = io.BytesIO()
    if images:
        np.savez_compressed(buffer, **{d.replace("/", "."): c for d, c in counts.items()})
    content = buffer.getvalue()
    steps = tuple(range(20, 601, 20))
    record = RunRecord(
        run_id=run.run_id,
        name=run.name,
        sweep=sweep.name,
        config=run.config,
        synthetic=True,
        classes=CLASSES,
        confusion={d: tuple(map(tuple, c.sum(0).tolist())) for d, c in counts.items()},
        images_scored=dict.fromkeys(domains, max(images, 1)),
        images_file=f"{run.run_id}.images.npz" if images else None,
        images_sha256=hashlib.sha256(content).hexdigest() if images else None,
        history=History(steps=steps, losses={"segmentation": tuple(rng.random(30))}, lr=tuple(rng.random(30))),
        chosen_step=600,
        steps=600,
        images_seen=600 * run.config.batch_size,
        source_images=256,
        seconds={"total": 12.5, "train": 10.0},
        memory_bytes={"process_peak": 2**30},
        device="Example CPU",
        commit="0123456789abcdef",
        dirty=False,
        data_digests={
            f"{d}:test": names.build("dataset", run.config.dataset, None, Domain.parse(d).name, "test").digest()
            for d in domains
        },
        code=code_digests(run.config),
        started_utc="2026-11-20T08:00:00Z",
        finished_utc="2026-11-20T08:00:12Z",
        **facts,
    )
    return record, content


def seconds(folder: Path, *words: str) -> tuple[float, float]:
    """(wall time, processor time) of one process, interpreter's start included; the second knows no busy neighbours."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, env=one_thread, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told(capsys: pytest.CaptureFixture[str], what: str, folder: Path, ways: dict[str, tuple[str, ...]]) -> None:
    """Print the median of each way; the ways take turns, so that a busy moment meets all of them."""
    rounds = [{name: seconds(folder, *words) for name, words in ways.items()} for _ in range(REPEATS)]
    with capsys.disabled():
        print(f"\n{what} (load average {os.getloadavg()[0]:.1f})")
        for name in ways:
            wall, processor = (sorted(one[name][i] for one in rounds) for i in (0, 1))
            print(
                f"  {name:20} wall {statistics.median(wall):6.3f} s [{wall[0]:.3f}, {wall[-1]:.3f}]"
                f"   processor {statistics.median(processor):6.3f} s"
            )


@pytest.mark.performance
def test_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "help", tmp_path, {"python -c pass": ("-c", "pass"), "bench --help": ("-m", "bench", "--help")})
    loaded = (
        "import sys; from bench.cli import run_command_line as run; run(['--help']); print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n"), "pydantic is half of the start, and help has no use for it"


@pytest.mark.performance
def test_a_report_on_a_thousand_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, report = folder_of_runs(tmp_path, 1000, 64), ("-m", "bench", "report")
    with capsys.disabled():
        print(f"\nfirst report, nothing remembered: {seconds(folder, *report)[0]:.3f} s")
    bare = {"python -c pass": ("-c", "pass"), "plain reading": ("-c", READING, "results/runs")}
    told(capsys, "report, 1,000 runs x 2 domains x 64 images", folder, {**bare, "bench report": report})


@pytest.mark.performance
def test_a_finished_sweep_of_ten_thousand_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, sweep = folder_of_runs(tmp_path, 10_000, 0), ("-m", "bench", "sweep", "books.yaml")
    time.sleep(2.1)  # records younger than two seconds are read again
    with capsys.disabled():
        print(f"\nfirst sweep, nothing remembered: {seconds(folder, *sweep)[0]:.3f} s")
    bare = {"python -c pass": ("-c", "pass"), "plain reading": ("-c", READING, "results/runs")}
    told(capsys, "sweep, 10,000 finished runs", folder, {**bare, "bench sweep": sweep})
