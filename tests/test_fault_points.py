"""Fault points: off they do nothing, outside tests they are an error, and each action is what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench import faults
from bench.spec import BenchError, ExitCode


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("BENCH_TESTING", "1")
    faults._passed.clear()
    return monkeypatch


def test_a_point_does_nothing_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_FAULT", raising=False)
    assert faults.at("store.written") is None


def test_a_fault_outside_a_test_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_FAULT", "store.written:1:kill")
    monkeypatch.delenv("BENCH_TESTING", raising=False)
    with pytest.raises(BenchError, match=r"BENCH_FAULT: is set, and faults belong into tests") as caught:
        faults.at("somewhere.else")
    assert caught.value.code == ExitCode.ENVIRONMENT


def test_a_fault_comes_the_nth_time_at_its_point(asked: pytest.MonkeyPatch) -> None:
    asked.setenv("BENCH_FAULT", "train.step:2:nan,loader.item:2+:nan")
    assert [faults.at("train.step") for _ in range(3)] == [None, "nan", None]
    assert [faults.at("loader.item") for _ in range(3)] == [None, "nan", "nan"]
    assert faults.at("store.written") is None


@pytest.mark.parametrize(
    ("action", "kind", "words"),
    [
        ("raise:OSError:ENOSPC", OSError, "No space left"),
        ("raise:RuntimeError", RuntimeError, "fault at x"),
        ("raise:KeyboardInterrupt", KeyboardInterrupt, "fault at x"),
    ],
)
def test_a_fault_can_raise(asked: pytest.MonkeyPatch, action: str, kind: type[BaseException], words: str) -> None:
    asked.setenv("BENCH_FAULT", f"x:1:{action}")
    with pytest.raises(kind, match=words):
        faults.at("x")


def test_memory_runs_out_as_in_torch_where_torch_is_loaded(asked: pytest.MonkeyPatch) -> None:
    asked.setenv("BENCH_FAULT", "x:1+:raise:OOM")
    asked.setitem(sys.modules, "torch", None)
    with pytest.raises(MemoryError):
        faults.at("x")
    device = type("OutOfMemoryError", (RuntimeError,), {})
    asked.setitem(sys.modules, "torch", SimpleNamespace(OutOfMemoryError=device))
    with pytest.raises(device):
        faults.at("x")


@pytest.mark.parametrize(
    "setting", ["x", "x:1", "x:one:kill", "x:1:", "x:1:jump", "x:1:raise:os", "x:1:raise:OSError:E"]
)
def test_a_fault_that_cannot_be_understood_is_an_error(asked: pytest.MonkeyPatch, setting: str) -> None:
    asked.setenv("BENCH_FAULT", setting)
    with pytest.raises(BenchError, match="BENCH_FAULT"):
        faults.at("x")


@pytest.mark.parametrize(("action", "code"), [("kill", -9), ("term", -15), ("segv", -11), ("exit", 0)])
def test_a_process_ends_there(action: str, code: int) -> None:
    program = "from bench import faults; faults.at('x'); raise SystemExit(7)"
    environment = {**os.environ, "BENCH_TESTING": "1", "BENCH_FAULT": f"x:1:{action}"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True)
    assert done.returncode == code


def test_a_hang_outlasts_a_polite_signal(asked: pytest.MonkeyPatch) -> None:
    program = (
        "import signal; signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
        "from bench import faults; print('here', flush=True); faults.at('x')"
    )
    environment = {**os.environ, "BENCH_FAULT": "x:1:hang"}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "here\n"
        it.send_signal(signal.SIGTERM)
        assert it.stdout.readline() == "asked\n"
        assert it.poll() is None
        it.kill()
