"""Signals: asked to stop, a sweep saves within a step and says so by its exit code; the same command goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import PATHS, _plugin, command, numbers, tiny  # noqa: F401
from conftest import ROOT

from bench.store import Store, claimed

Figure = Callable[[str, str], None]

FILE = """\
name: tiny
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 16, val_tiles: 2, test_tiles: 2}
  evaluate_on: [urban, rural]
  evaluate_every: 20
  choose: source_val
  crop_px: 32
  batch_size: 2
  steps: 60
  optimizer: adamw
grid:
  source: [urban, rural]
cost: false
"""
WORDS = ("sweep", "tiny.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    """folder(name) -> a new folder with the sweep file in it."""

    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "tiny.yaml").write_text(FILE)
        return tmp_path / name

    return make


def records(folder: Path) -> dict[str, Any]:
    return {s.record.run_id: numbers(s.record) for s in Store(folder / "results").read().runs}


def sending(number: int, words: str) -> Callable[[Any, str], None]:
    """Send a signal to a command once it has printed `words`."""
    return in_turn(number, lambda output: words in output)


def in_turn(number: int, *moments: Callable[[str], bool]) -> Callable[[Any, str], None]:
    """Send a signal to a command at each of the moments, which are told what it has printed."""
    left = list(moments)

    def at(child: Any, output: str) -> None:
        if left and left[0](output):
            left.pop(0)
            child._send(number)

    return at


MOMENTS = [
    (signal.SIGTERM, "[1/2]", "process", 75),
    (signal.SIGUSR1, "[2/2]", "process", 75),
    (signal.SIGHUP, "[1/2]", "inline", 75),
    (signal.SIGINT, "[1/2]", "process", 130),
]


@pytest.mark.parametrize(("number", "words", "executor", "code"), MOMENTS)
def test_a_signal_saves_and_the_same_command_goes_on(
    folder: Callable[[str], Path], number: int, words: str, executor: str, code: int
) -> None:
    whole, stopped = folder("whole"), folder("stopped")
    how = (*WORDS, "--executor", executor)
    assert command(whole, whole / "log", *how) == 0
    assert command(stopped, stopped / "log", *how, at=sending(number, words)) == code
    said = (stopped / "log").read_text()
    assert "bench: saving and stopping (Ctrl-C again stops at once)" in said
    assert " left (the same command goes on)" in said
    assert "Traceback" not in said
    assert command(stopped, stopped / "log", *how) == 0
    assert records(stopped) == records(whole)


LAST = "bench: interrupted; the same command goes on"
"""The last line after Ctrl-C, once or twice, whenever."""


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_ctrl_c_twice_stops_at_once_and_the_same_command_goes_on(folder: Callable[[str], Path], executor: str) -> None:
    """The run hangs when it is first asked, so saving would never come: what ends it is the second time."""
    whole, stopped = folder("whole"), folder("stopped")
    assert command(whole, whole / "log", *WORDS) == 0

    def hangs(output: str) -> bool:
        told = [output, *(log.read_text() for log in stopped.glob(".bench/runs/*/log.txt"))]
        return any("fault: hangs at train.step" in text for text in told)

    twice = in_turn(signal.SIGINT, hangs, lambda output: "saving and stopping" in output)
    how = (*WORDS, "--executor", executor)
    assert command(stopped, stopped / "log", *how, at=twice, BENCH_FAULT="train.step:30:hang") == 130
    said = (stopped / "log").read_text()
    assert said.splitlines()[-1] == LAST
    assert "state saved" not in said
    assert "Traceback" not in said
    assert claimed(Store(stopped / "results").work) == frozenset()
    assert command(stopped, stopped / "log", *WORDS) == 0
    assert records(stopped) == records(whole)


@pytest.mark.parametrize("words", ["saving and stopping", "state saved", " left (the same", "bench: interrupted"])
def test_the_second_ctrl_c_may_come_at_any_moment_of_the_ending(folder: Callable[[str], Path], words: str) -> None:
    """A run that can save ends by itself meanwhile; the last line and the code stay the same."""
    stopped = folder("stopped")
    twice = in_turn(signal.SIGINT, lambda output: "[1/2]" in output, lambda output: words in output)
    assert command(stopped, stopped / "log", *WORDS, at=twice) == 130
    lines = (stopped / "log").read_text().splitlines()
    assert (lines[-1], lines.count(LAST)) == (LAST, 1)
    assert "Traceback" not in "".join(lines)
    assert claimed(Store(stopped / "results").work) == frozenset()
    assert command(stopped, stopped / "log", *WORDS) == 0
    assert len(records(stopped)) == 2


def test_a_sweep_that_does_not_listen_would_be_seen(folder: Callable[[str], Path]) -> None:
    stopped = folder("stopped")
    assert command(stopped, stopped / "log", *WORDS, at=sending(signal.SIGKILL, "[1/2]")) == -signal.SIGKILL
    assert "saving and stopping" not in (stopped / "log").read_text()


TERM, INT = (signal.SIGTERM, 75), (signal.SIGINT, 130)


@pytest.mark.parametrize(
    ("number", "code", "every"),
    [
        pytest.param(*TERM, 8, marks=pytest.mark.fault),
        pytest.param(*INT, 6, marks=pytest.mark.fault),
        pytest.param(*TERM, 30, marks=pytest.mark.card),
        pytest.param(*INT, 20, marks=pytest.mark.card),
    ],
)
def test_signals_at_random_times(
    folder: Callable[[str], Path], figure: Figure, number: int, code: int, every: int
) -> None:
    """Before, between, in and after runs; a sweep that was done before the signal came is counted apart."""
    drawn, found, saved = random.Random(int(number)), 0, 0
    for name in ("warm", "whole"):
        whole, before = folder(name), time.monotonic()
        assert command(whole, whole / "log", *WORDS) == 0
    took, expected = time.monotonic() - before, records(whole)
    stopped = folder("0")
    for attempt in range(4 * every):
        at = time.monotonic() + drawn.uniform(0.0, took)
        sent: list[int] = []

        def send(child: Any, output: str, at: float = at, sent: list[int] = sent) -> None:
            if time.monotonic() > at and not sent:
                sent.append(number)
                child._send(number)

        got = command(stopped, stopped / "log", *WORDS, at=send)
        said = (stopped / "log").read_text()
        assert "Traceback" not in said
        if got != 0:
            assert got == code, said
            found += 1
            saved += "state saved" in said
        if got == 0:
            assert records(stopped) == expected
            stopped = folder(str(attempt + 1))
        if found == every:
            break
    assert command(stopped, stopped / "log", *WORDS) == 0
    assert records(stopped) == expected
    assert found == every
    name = "B5 SIGTERM" if number == signal.SIGTERM else "B6 Ctrl-C"
    figure(f"{name} at random times", f"{found}/{every} exits with {code}, {saved} of them in a run; all gone on with")


@pytest.mark.fault
@pytest.mark.parametrize("wait_s", [0.0, 0.5, 2.0])
def test_a_signal_while_everything_is_loaded(folder: Callable[[str], Path], wait_s: float) -> None:
    """A command as people start it, from the moment when it can hear."""
    stopped = folder("stopped")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *WORDS],
        cwd=stopped,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), PATHS[2]]), "BENCH_EXECUTOR": "process"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not listens(process.pid):
        time.sleep(0.005)
    time.sleep(wait_s)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 75, said
    assert "Traceback" not in said


def listens(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)
