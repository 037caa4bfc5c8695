"""One run that dies, in whatever way, stops no other; one that hangs is ended; all of it is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from children import FaultyHome, _plugin, command, fault, in_processes, inline, numbers, nursery, tiny, warm  # noqa: F401

from bench.cli import run_command_line, running
from bench.run.place import Place
from bench.run.standing import standing
from bench.spec import Failure, RunRecord
from bench.store import Store

Figure = Callable[[str, str], None]

DEATHS: dict[str, tuple[dict[str, Any], str, str]] = {
    "SIGKILL": (fault("train.step:2:kill"), "died", "killed by SIGKILL"),
    "os._exit(0)": (fault("train.step:2:exit"), "died", "ended with exit code 0 and without a result"),
    "device out of memory": (fault("train.step:2:raise:OOM"), "oom", "out of memory at batch 2, crop (32, 32)"),
    "exception": (fault("train.step:2:raise:RuntimeError"), "failed", "RuntimeError: fault at train.step"),
    "SIGSEGV": ({"way": "SIGSEGV"}, "died", "killed by SIGSEGV: string_at ("),
    "host out of memory": ({"way": "MemoryError"}, "oom", "out of memory at batch 2"),
    "SIGABRT": (fault("train.step:2:abrt"), "died", "killed by SIGABRT"),
    "sys.exit": (fault("train.step:2:raise:SystemExit"), "died", "ended with exit code 1 and without a result"),
    "nan": (fault("train.step:2:nan"), "diverged", "loss is not finite at step 3"),
    "10 MB of stderr": ({"way": "10 MB of stderr"}, "died", "the end of much"),
    "an exception that cannot be pickled": (
        {"way": "raises what cannot be pickled"},
        "failed",
        "Fault: cannot travel",
    ),
    "no process left": ({"way": "no process left"}, "failed", "Resource temporarily unavailable"),
}
FEW = ("SIGKILL", "os._exit(0)", "device out of memory", "nan")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(store=Store(tmp_path / "results"), sweep="test", workers=1)


def isolated(ways: tuple[str, ...], place: Place) -> int:
    """How many of the `ways` to die were recorded as they should be, the good runs before and after them complete."""
    good = [tiny(), tiny(seed=99)]
    bad = [tiny(seed=k) for k in range(1, len(ways) + 1)]
    wrong = {run.run_id: DEATHS[way][0] for run, way in zip(bad, ways, strict=True)}
    first, *ended, last = in_processes([good[0], *bad, good[1]], place, wrong)
    assert isinstance(first, RunRecord), first
    assert isinstance(last, RunRecord), last
    noted = {failure.run_id: failure for failure in place.store.read().failures}
    for way, run, event in zip(ways, bad, ended, strict=True):
        _, state, words = DEATHS[way]
        assert isinstance(event, Failure), way
        assert noted[run.run_id] == event
        assert (event.state, words in event.reason) == (state, True), (way, event)
        assert (place.store.run_folder(run.run_id) / "log.txt").stat().st_size < 2_000_000
    return len(ended)


def test_a_few_ways_to_die_are_isolated(place: Place) -> None:
    assert isolated(FEW, place) == len(FEW)


@pytest.mark.fault
def test_all_ways_to_die_are_isolated(place: Place, figure: Figure) -> None:
    figure("C1 ways to die isolated", f"{isolated(tuple(DEATHS), place)}/{len(DEATHS)}")


def test_in_one_process_a_death_would_take_the_others_along(place: Place, tmp_path: Path) -> None:
    sweep(tmp_path)
    code = command(
        tmp_path,
        tmp_path / "log",
        *("sweep", "tiny.yaml", "--executor", "inline"),
        BENCH_FAULT="train.step:15:kill",
    )
    assert code == -9


HANGS = {
    "in a step": {"way": "hangs"},
    "deaf to SIGTERM": {"way": "hangs, deaf"},
    "in a thread that reads": {**fault("loader.item:3:hang")},
    "with the interpreter locked": {"way": "hangs with the interpreter"},
}


@pytest.mark.parametrize("way", HANGS)
@pytest.mark.fault
def test_a_run_that_hangs_is_ended_and_the_next_goes_on(place: Place, figure: Figure, way: str) -> None:
    bad, good = tiny(seed=1), tiny()
    limit_s = 5.0
    ended = in_processes([bad], place, {bad.run_id: HANGS[way]}, step_timeout_s=limit_s)
    (failure,) = ended
    assert isinstance(failure, Failure)
    assert failure.state == "hung"
    assert failure.reason.startswith("no progress for 5 s: ")
    log = (place.store.run_folder(bad.run_id) / "log.txt").read_text()
    assert "most recent call first" in log
    assert isinstance(in_processes([good], place)[0], RunRecord)
    figure(f"C2 hangs {way}", "ended with the stacks of all threads")


@pytest.mark.gpu
@pytest.mark.parametrize("way", ["device assertion", "device memory"])
def test_after_a_fault_of_the_device_the_next_run_is_good(place: Place, figure: Figure, way: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("NOT RUN: no CUDA device")
    cuda = replace(place, device="cuda:0")
    bad, good = tiny(seed=1), tiny()
    failure, record = in_processes([bad, good], cuda, {bad.run_id: {"way": way}})
    assert isinstance(failure, Failure)
    assert failure.state == ("oom" if way == "device memory" else "failed")
    assert isinstance(record, RunRecord)
    figure(f"C3 {way}", "the next run was good")


def test_both_executors_give_the_same_records(place: Place, tmp_path: Path, figure: Figure) -> None:
    other = replace(place, store=Store(tmp_path / "inline" / "results"))
    runs = [tiny(), tiny(source="rural", steps=6, evaluate_every=2, choose="source_val", augment=["flip"])]
    apart = in_processes(runs, replace(place, workers=3))
    for run, record in zip(runs, apart, strict=True):
        assert numbers(record) == numbers(inline(run, other))
        (stored,) = (s.record for s in place.store.read().runs if s.record.run_id == run.run_id)
        assert numbers(stored) == numbers(record)
    figure("C7 records inline and in processes", f"{len(runs)} of {len(runs)} equal")
    assert numbers(apart[0])["confusion"] != numbers(apart[1])["confusion"]


@pytest.mark.card
def test_runs_repeated_in_any_order_give_equal_numbers(place: Place, tmp_path: Path, figure: Figure) -> None:
    runs = [tiny(seed=k) for k in range(5)]
    first = {run.run_id: numbers(record) for run, record in zip(runs, in_processes(runs, place), strict=True)}
    again = replace(place, store=Store(tmp_path / "b" / "results"), workers=4)
    for run, record in zip(reversed(runs), in_processes(runs[::-1], again), strict=True):
        assert numbers(record) == first[run.run_id]
    figure("H2 runs repeated", "5/5 equal records")


# ------------------------------------------------------------------ the command

FILE = """\
name: tiny
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 8, val_tiles: 2, test_tiles: 2}
  evaluate_on: [urban, rural]
  crop_px: 32
  batch_size: 2
  steps: 12
  optimizer: adamw
grid:
  source: [urban, rural]
cost: false
"""


def sweep(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(FILE)


@pytest.fixture
def bench(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """bench(*words) -> (exit code, stdout, stderr): a command whose runs come from the warm nursery."""
    sweep(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_EXECUTOR", "process")

    class Warm:
        def __init__(self, *words: str) -> None:
            pass

        def __enter__(self) -> Any:
            return warm()

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(running, "Nursery", Warm)

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run_command_line(words)
        return code, *capfd.readouterr()

    return run


Bench = Callable[..., tuple[int, str, str]]


def wrongly(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any, int], dict[str, Any]]) -> None:
    """Let runs of a command fail: `wrong(run, number)` says how."""

    class Wrong(FaultyHome):
        def request(self, run: Any, number: int) -> bytes:
            self.wrong[run.run_id] = wrong(run, number)
            return super().request(run, number)

    monkeypatch.setattr("bench.run.apart.Home", Wrong)


def test_a_sweep_goes_on_after_a_death_and_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    wrongly(monkeypatch, lambda run, _: fault("train.step:2:kill") if "urban" in run.name else {})
    code, out, err = bench("sweep", "tiny.yaml")
    assert (code, "1 ran, 0 reused, 1 failed in" in out) == (1, True), err
    assert "[1/2] four_convs-urban-cross_entropy-poly-source_only-s0: died: killed by SIGKILL; see log.txt" in err
    assert "[2/2] four_convs-rural-cross_entropy-poly-source_only-s0: mIoU (%)" in err
    code, out, _ = bench("sweep", "tiny.yaml")
    assert (code, out) == (1, "0 ran, 1 reused, 0 failed, 1 failed earlier (--rerun failed); nothing was run\n")
    code, out, _ = bench("status", "tiny.yaml", "--json")
    (failed,) = [run for run in json.loads(out)["runs"] if run["state"] == "failed"]
    assert failed["failure"]["state"] == "died"
    assert "died" in bench("report", "--format", "csv")[1]
    wrongly(monkeypatch, lambda run, _: {})
    assert bench("sweep", "tiny.yaml", "--rerun", "failed")[0] == 0


def test_retries_are_bounded_and_told(bench: Bench, monkeypatch: pytest.MonkeyPatch, figure: Figure) -> None:
    wrongly(monkeypatch, lambda run, number: fault("train.step:2:kill") if "urban" in run.name else {})
    code, out, err = bench("sweep", "tiny.yaml", "--retries", "2")
    assert (code, "1 ran, 0 reused, 1 failed in" in out) == (1, True), err
    assert err.count("[1/2] four_convs-urban-cross_entropy-poly-source_only-s0: died") == 3
    assert "(r-" in err.splitlines()[-1]
    assert "3 tries; killed by SIGKILL" in err
    code, out, _ = bench("sweep", "tiny.yaml", "--retries", "2")
    assert (code, "0 ran" in out, "nothing was run" in out) == (1, True, True)
    wrongly(monkeypatch, lambda run, number: fault("train.step:2:kill") if number == 1 else {})
    code, out, err = bench("sweep", "tiny.yaml", "--retries", "1", "--rerun", "all")
    assert (code, "2 ran, 0 reused, 0 failed" in out) == (0, True), err
    figure("C8 tries of a run that always dies, --retries 2", "3, then no more")


def test_memory_that_ran_out_is_a_result(bench: Bench, monkeypatch: pytest.MonkeyPatch, figure: Figure) -> None:
    wrongly(monkeypatch, lambda run, _: fault("train.step:3:raise:OOM") if "urban" in run.name else {})
    code, _, err = bench("sweep", "tiny.yaml")
    assert (code, "oom: out of memory at batch 2, crop (32, 32), peak" in err) == (1, True), err
    assert "out of memory" in bench("report", "--format", "csv")[1] + bench("status", "tiny.yaml")[1]
    figure("C4 memory that ran out", "1/1 recorded with batch, size and peak; the next run went on")


def test_a_warning_of_a_run_reaches_the_user(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrongly(monkeypatch, lambda run, _: fault("train.step:8:kill"))
    assert bench("sweep", "tiny.yaml", "-k", "urban", "--checkpoint-every", "0")[0] == 1
    (newest,) = sorted(tmp_path.glob(".bench/runs/*/step-*.pt"))[-1:]
    newest.write_bytes(b"")
    wrongly(monkeypatch, lambda run, _: {})
    with pytest.warns(UserWarning, match="checkpoint is damaged; the one before it is used"):
        code, out, err = bench("sweep", "tiny.yaml", "-k", "urban", "--rerun", "failed")
    assert (code, "1 ran" in out) == (0, True), err


def test_a_fault_of_the_place_ends_the_sweep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    wrongly(monkeypatch, lambda run, _: fault("ckpt.written:1:raise:OSError:ENOSPC"))
    code, _, err = bench("sweep", "tiny.yaml", "--checkpoint-every", "0")
    assert code == 5, err
    (line,) = [line for line in err.splitlines() if line.startswith("bench: error: ")]
    assert "cannot be written (No space left on device); free some space and start again" in line
    wrongly(monkeypatch, lambda run, _: {})
    assert bench("sweep", "tiny.yaml")[0] == 0


# ------------------------------------------------------------------ two sweeps at once


def test_two_sweeps_at_once_run_each_run_once(tmp_path: Path, bench: Bench, figure: Figure) -> None:
    """The second begins while the first is in its first run; it runs the other and shows both results."""
    text = FILE.replace("seeds", "").replace("cost: false", "seeds: [0, 1, 2]\ncost: false")
    (tmp_path / "tiny.yaml").write_text(text)
    second: list[tuple[int, str, str]] = []

    def begin(child: Any, output: str) -> None:
        if "[1/6]" in output and not second:
            second.append(bench("sweep", "tiny.yaml"))

    code = command(tmp_path, tmp_path / "log", "sweep", "tiny.yaml", at=begin)
    first = (tmp_path / "log").read_text()
    ((other, out, err),) = second
    assert (code, other) == (0, 0), (first, err)
    ran = sum(int(text.split(" ran")[0].split()[-1]) for text in (first, out))
    assert ran == 6, (first, out, err)
    assert len(list(tmp_path.glob("results/runs/r-*.json"))) == 6
    assert "by another sweep" in out + first
    figure("A5 two sweeps of 6 runs at once", "6 records, each run by one of them")


def test_a_run_that_another_sweep_lets_go_is_taken_over(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other is killed while this one waits for its run."""
    store, found = Store(tmp_path / "results"), []

    def look(seconds: float) -> None:
        found.append(seconds)
        if len(found) == 2:
            lease.release()

    from bench.sweep import load_sweep

    wanted = load_sweep(tmp_path / "tiny.yaml")
    lease = store.claim(wanted.runs[0].run_id)
    assert lease
    monkeypatch.setattr(running.time, "sleep", look)
    code, out, err = bench("sweep", "tiny.yaml")
    assert (code, "2 ran, 0 reused, 0 failed" in out) == (0, True), err
    assert "another sweep is running it" in err
    assert "waiting for 1 run of another sweep" in err
    assert len(found) == 2


def test_what_was_done_since_the_plan_is_not_run_again(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sweep runs all of it while this one, planned already, still loads and checks."""
    others: list[int] = []

    def check(*_: Any) -> None:
        if not others:
            others.append(-1)
            others[0] = bench("sweep", "tiny.yaml")[0]

    monkeypatch.setattr("bench.cli.sweeping._check_file", check)
    code, out, err = bench("sweep", "tiny.yaml")
    assert (others, code, "0 ran, 0 reused, 0 failed, 2 by another sweep" in out) == ([0], 0, True), err
    assert err.count("another sweep has run it") == 2
    assert len(list(tmp_path.glob("results/runs/r-*.json"))) == 2


def test_without_a_look_at_what_was_planned_both_would_run_it(place: Place) -> None:
    run = tiny()
    assert isinstance(inline(run, replace(place, seen={})), RunRecord)
    assert isinstance(inline(run, replace(place, seen={})), RunRecord)
    assert standing(place.store, run.run_id) == (2, "")
