"""Finished runs whose code or data is another by now: told apart, kept, counted, made anew when asked."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import names
from bench.cache import stored_split
from bench.cli import run_command_line
from bench.datasets.camvid import camvid
from bench.datasets.landcover import Landcover
from bench.names import code
from bench.names.code import code_digests
from bench.plan import Plan, changes, plan
from bench.run.apart import loads
from bench.spec import BenchError, Component, Domain, History, PlannedRun, RunConfig, RunRecord, Sweep
from bench.store import Store, agreeing, memory

ROOT = Path(__file__).resolve().parents[1]
Make = Callable[..., PlannedRun]
LOSS = '''"""A loss."""

SCALE = 1.0


def build(*, weight: float = 1.0):
    """The mean of the logits."""
    return lambda outputs, labels: outputs["out"].mean() * SCALE * weight
'''


def forget() -> None:
    """As a process that starts now would see the code."""
    cached: tuple[Any, ...] = (code._digest, code._imported, code._file, code._tree, code._syntax_digest)
    for one in (*cached, code.part_digest):
        one.cache_clear()


@pytest.fixture
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an installed package that offers the losses `mine` and `other`, each in a file of its own."""
    home = tmp_path / "installed"
    (home / "two_losses").mkdir(parents=True)
    (home / "two_losses-1.dist-info").mkdir()
    (home / "two_losses-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: two-losses\nVersion: 1\n")
    offered = "".join(f"{name}_loss = two_losses.{name}:build\n" for name in ("mine", "other"))
    (home / "two_losses-1.dist-info" / "entry_points.txt").write_text(f"[bench.losses]\n{offered}")
    for name in ("__init__", "mine", "other"):
        (home / "two_losses" / f"{name}.py").write_text("" if name == "__init__" else LOSS)
    monkeypatch.syspath_prepend(str(home))
    names.plugins.cache_clear()
    forget()
    yield home / "two_losses"
    for module in [name for name in sys.modules if name.partition(".")[0] == "two_losses"]:
        del sys.modules[module]
    names.plugins.cache_clear()
    names.entry.cache_clear()
    names.options.cache_clear()
    forget()


def drawn(config: RunConfig, split: str = "test") -> dict[str, str]:
    """The digests of what a run scores."""
    build = lambda d: names.build("dataset", config.dataset, None, Domain.parse(d).name, split)  # noqa: E731
    return {f"{domain}:{split}": build(domain).digest() for domain in config.evaluate_on}


def record(run: PlannedRun, **changes: Any) -> RunRecord:
    """A finished run, made with the code and the data of this moment."""
    plain: dict[str, Any] = {
        "run_id": run.run_id,
        "name": run.name,
        "sweep": "s",
        "config": run.config,
        "synthetic": True,
        "classes": ("a", "b"),
        "confusion": {"landcover/urban": ((3, 1), (0, 2))},
        "images_scored": {"landcover/urban": 1},
        "history": History(),
        "chosen_step": 4,
        "steps": 4,
        "images_seen": 8,
        "source_images": 8,
        "seconds": {},
        "memory_bytes": {},
        "device": "fake",
        "machine": {},
        "software": {},
        "commit": None,
        "dirty": None,
        "data_digests": changes.pop("data_digests", None) or drawn(run.config),
        "code": code_digests(run.config),
        "started_utc": "2026-01-01T00:00:00Z",
        "finished_utc": "2026-01-01T00:00:01Z",
    }
    return RunRecord(**{**plain, **changes})


@dataclass
class Home:
    """A store with one finished run, and a sweep of that run."""

    store: Store
    run: PlannedRun

    def plan(self) -> Plan:
        forget()
        return plan(Sweep(name="s", runs=(self.run,)), self.store)

    @property
    def state(self) -> str:
        ((_, state),) = self.plan().states
        return state


def finished(results: Path, run: PlannedRun, **changes: Any) -> Home:
    home = Home(Store(results), run)
    home.store.work.mkdir(exist_ok=True)
    home.store.add_run(record(run, **changes), {"landcover/urban": np.array([[[3, 1], [0, 2]]])})
    return home


# ------------------------------------------------------------------ code


EDITS = {
    "another docstring": ("mine", '"""The mean of the logits."""', '"""What it gives is the mean."""', "done"),
    "a comment": ("mine", "SCALE = 1.0", "SCALE = 1.0  # no unit", "done"),
    "another loss's constant": ("other", "SCALE = 1.0", "SCALE = 2.0", "done"),
    "its constant": ("mine", "SCALE = 1.0", "SCALE = 2.0", "stale-code"),
    "its arithmetic": ("mine", "* SCALE", "+ SCALE", "stale-code"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("remembered", [False, True])
def test_what_decides_numbers_makes_a_run_stale_and_nothing_else(
    results: Path,
    losses: Path,
    planned: Make,
    monkeypatch: pytest.MonkeyPatch,
    edit: tuple[str, str, str, str],
    remembered: bool,
) -> None:
    which, old, new, state = edit
    home = finished(results, planned(loss="mine_loss"))
    if remembered:
        monkeypatch.setattr(memory, "SETTLED_S", -1.0)
        assert home.state == "done"
        monkeypatch.setattr(agreeing, "parse", lambda path: pytest.fail(f"{path} was read again"))
    text = (losses / f"{which}.py").read_text()
    assert old in text
    (losses / f"{which}.py").write_text(text.replace(old, new))
    found = home.plan()
    assert found.states == ((home.run, state),)
    assert found.why(home.run.run_id) == ("code: loss" if state == "stale-code" else "")


@pytest.mark.usefixtures("losses")
def test_a_stale_run_is_kept_until_it_is_asked_for(results: Path, planned: Make) -> None:
    home = finished(results, planned(loss="mine_loss"), code={"loss": "0" * 16})
    found = home.plan()
    assert (found.to_run(), found.to_run("failed")) == ((), ())
    assert found.to_run("stale") == found.to_run("all") == (home.run,)
    home.store.add_run(record(home.run), {})
    assert home.state == "done"  # the newest attempt counts


def test_what_nobody_can_tell_is_not_stale(results: Path, planned: Make) -> None:
    """A record of schema 1 notes no code."""
    assert finished(results, planned(), code={}).state == "done"


def test_another_configuration_goes_before_other_code(results: Path, planned: Make) -> None:
    home = finished(results, planned(), code={"loss": "0" * 16})
    home.run = home.run.model_copy(update={"config": home.run.config.model_copy(update={"steps": 5})})
    assert (home.state, home.plan().to_run("stale")) == ("stale", (home.run,))


def test_a_record_whose_digests_are_no_text_is_named(results: Path, planned: Make) -> None:
    home = finished(results, planned())
    path = home.store.run_file(home.run.run_id)
    plain = json.loads(path.read_text())
    plain["code"] = {"loss": 3}
    del plain["sha256"]
    path.write_bytes(memory.layout({key: memory.canonical(value) for key, value in plain.items()}))
    assert home.state == "unreadable"
    assert isinstance(home.plan().unreadable[home.run.run_id], BenchError)


def test_processes_of_runs_keep_the_source_they_were_loaded_from(tmp_path: Path, planned: Make) -> None:
    """A nursery notes it once all is loaded, days before its last child writes a record."""
    assert loads([planned().config])[-1] == "bench.names.code:keep"
    (tmp_path / "noting.py").write_text("def note():\n    open('noted', 'w').close()\n")
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        words = [sys.executable, "-m", "bench.executors.nursery", "no:work", "noting:note"]
        paths = os.pathsep.join([str(tmp_path), str(ROOT)])
        subprocess.run(words, stdin=theirs, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, check=True)
    assert (tmp_path / "noted").exists()


def test_the_source_of_what_plugins_offer_is_kept_too(losses: Path) -> None:
    names.build("loss", names.resolve("loss", Component(name="mine_loss")))
    before = code.part_digest("loss", frozenset({"mine_loss"}))
    forget()
    code.keep()
    (losses / "mine.py").write_text(LOSS.replace("1.0", "3.0"))
    assert code.part_digest("loss", frozenset({"mine_loss"})) == before
    forget()
    assert code.part_digest("loss", frozenset({"mine_loss"})) != before  # negative control: a process of later


# ------------------------------------------------------------------ data


def test_drawn_data_that_is_drawn_otherwise_is_stale(results: Path, planned: Make) -> None:
    run = planned()
    other = {**drawn(run.config), "landcover/rural:test": "0" * 64}
    found = finished(results, run, data_digests=other).plan()
    assert (found.states[0][1], found.why(run.run_id)) == ("stale-data", "data: landcover/rural")
    assert found.to_run("stale") == (run,)


def test_what_data_says_of_itself_is_asked_once_for_each_code(
    results: Path, planned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, asked, digest = finished(results, planned()), [], Landcover.digest
    monkeypatch.setattr(Landcover, "digest", lambda self: (asked.append(self.domain), digest(self))[1])
    assert [home.state, home.state, sorted(asked)] == ["done", "done", ["rural", "urban"]]
    monkeypatch.setattr(changes, "part_digest", lambda kind, chosen: "another program")
    assert [home.state, len(asked)] == ["done", 4]
    monkeypatch.setattr(Landcover, "digest", lambda self: "drawn otherwise")
    assert home.state == "done"  # negative control: remembered
    monkeypatch.setattr(changes, "part_digest", lambda kind, chosen: "a third one")
    assert home.state == "stale-data"


FILES: dict[str, Any] = {"dataset": "camvid", "source": "dusk", "evaluate_on": ("day",), "crop_px": (6, 6)}


def test_files_are_known_as_they_were_last_read(results: Path, planned: Make, camvid_root: Path) -> None:
    run = planned(**FILES)
    before = camvid(camvid_root, "day", "test").digest()
    home = finished(results, run, data_digests={"camvid/day:test": before})
    assert home.state == "done"  # no file was read here: nobody can tell

    def read() -> str:
        part = names.resolve("dataset", run.config.dataset)
        dataset = camvid(camvid_root, "day", "test")
        cache = home.store.work / "cache"
        return stored_split(dataset, cache, options=part.options, native_labels=True, workers=1).digest

    assert (read(), home.state) == (before, "done")
    image, another = (next((camvid_root / "test").glob(names)) for names in ("Seq*.png", "0001TP_99.png"))
    image.write_bytes(another.read_bytes())
    changed = read()
    assert (changed != before, home.state) == (True, "stale-data")
    for manifest in home.store.work.glob("cache/*/manifest.json"):
        manifest.write_text('{"body":[')
    assert home.state == "done"  # a damaged one tells nothing


def test_a_dataset_that_fails_stops_no_plan(results: Path, planned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Landcover) -> str:
        raise RuntimeError("no digest")

    monkeypatch.setattr(Landcover, "digest", broken)
    run = planned()
    assert finished(results, run, data_digests={"landcover/urban:test": "0" * 64}).state == "done"


# ------------------------------------------------------------------ as people meet it


FILE = """\
name: tiny
base:
  model: {four_convs}
  dataset: {{name: landcover, tile_px: 32, train_tiles: 4, val_tiles: 2, test_tiles: 2}}
  source: urban
  crop_px: 32
  batch_size: 2
  steps: 2
cost: false
"""


def test_status_sweep_and_rerun(
    tmp_path: Path, four_convs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(FILE.format(four_convs=four_convs))
    monkeypatch.chdir(tmp_path)

    def bench(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        return run_command_line(words), capsys.readouterr().out

    assert bench("sweep", "tiny.yaml", "--no-check")[0] == 0
    assert "1 run: 1 done, 0 stale, 0 failed, 0 todo" in bench("status", "tiny.yaml")[1]
    status, out = bench("sweep", "tiny.yaml", "--no-check")
    assert (status, "0 ran, 1 reused, 0 failed; nothing was run" in out) == (0, True)

    today = code_digests
    monkeypatch.setattr(code, "code_digests", lambda config: {**today(config), "loop": "1", "loss": "2"})
    status, out = bench("status", "tiny.yaml")
    assert (status, "stale-code  code: loop, loss" in out) == (0, True)
    assert "1 run: 0 done, 0 stale, 1 stale-code, 0 failed, 0 todo" in out
    (run,) = json.loads(bench("status", "tiny.yaml", "--json")[1])["runs"]
    assert (run["state"], run["why"], run["failure"]) == ("stale-code", "code: loop, loss", None)
    assert "stale (code: loop, loss; --rerun stale)" in bench("sweep", "tiny.yaml", "-n", "--no-check")[1]
    status, out = bench("sweep", "tiny.yaml", "--no-check")
    assert (status, out.strip()) == (
        0,
        "0 ran, 0 reused, 0 failed, 1 stale (code: loop, loss; --rerun stale); nothing was run",
    )
    document = json.loads(bench("sweep", "tiny.yaml", "--json")[1])
    assert (document["reused"], document["stale"], document["why_stale"]) == (0, 1, "code: loop, loss")

    with Store(Path("results")).claim(run["run_id"]) or pytest.fail("claimed"):
        assert "1 run: 0 done, 0 stale, 0 failed, 1 running, 0 todo" in bench("status", "tiny.yaml")[1]

    monkeypatch.setattr("bench.run.training.code_digests", code.code_digests)
    status, out = bench("sweep", "tiny.yaml", "--no-check", "--rerun", "stale")
    assert (status, "1 ran, 0 reused, 0 failed in" in out) == (0, True)
    assert [path.name for path in sorted(Path("results/runs").glob("*.json"))] == [
        f"{run['run_id']}.a2.json",
        f"{run['run_id']}.json",
    ]
    assert "1 run: 1 done" in bench("status", "tiny.yaml")[1]
