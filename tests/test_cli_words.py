"""Words -> exit code and streams: what typer raises, in each version claimed, is one line and a documented code."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from bench import __main__ as program
from bench import cli
from bench.cli import run_command_line
from bench.cli.console import say
from bench.cli.stopping import Wish

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["swep"], "No such command 'swep'"),
        (["sweep"], "Missing argument 'FILE'"),
        (["list", "--nothing"], "--nothing"),
        (["list", "models", "losses"], "unexpected extra argument"),
        (["sweep", "a.yaml", "--rerun", "never"], "'never' is not one of 'failed', 'stale', 'all'"),
        (["report", "--format", "pdf"], "'pdf' is not one of 'md', 'csv', 'json', 'html'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_usage_fault_is_one_line_and_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("bench: error: "), said in err) == ("", 1, True, True), err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["sweep", "--help"]], ids=" ".join)
def test_help_goes_to_stdout(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(words) == 0
    out, err = capsys.readouterr()
    assert ("Usage: bench" in out, out.count("\n") > 5, err) == (True, True, "")


@pytest.mark.parametrize(
    ("raised", "code"),
    [(typer.Exit(), 0), (typer.Exit(4), 4), (KeyboardInterrupt(), 130), (BrokenPipeError(32, "pipe"), 0)],
    ids=repr,
)
def test_what_a_verb_raises_becomes_its_code(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def only() -> None:
        raise raised

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(os, "dup2", lambda *_: None)  # the stdout of the tests stays open
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # typer wraps it
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    assert run_command_line(["--"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    """More text than a pipe holds, so that writing must fail once nobody reads; the code is that of `bench` itself."""
    command = f"'{sys.executable}' -m bench show sweeps/urban_rural.yaml | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# ------------------------------------------------------------------ Ctrl-C


@pytest.fixture
def _own_handlers() -> Iterator[None]:
    """Signals as they were, after the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_own_handlers")
@pytest.mark.parametrize("how", ["returned", "raised"])
def test_ctrl_c_ends_with_one_last_line_and_130(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Raised: while everything is loaded.  Another one that comes as the line is written changes nothing."""

    def carried_out() -> int:
        if how == "raised":
            raise KeyboardInterrupt
        return 130

    class Interrupting(io.StringIO):
        def write(self, text: str) -> int:
            signal.raise_signal(signal.SIGINT)
            return super().write(text)

    monkeypatch.setattr(program, "_carried_out", carried_out)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", told := Interrupting())
        with pytest.raises(SystemExit) as left:
            program.main()
    assert (left.value.code, told.getvalue()) == (130, "bench: interrupted; the same command goes on\n")
    left_at_once: list[int] = []
    monkeypatch.setattr(os, "_exit", left_at_once.append)
    signal.raise_signal(signal.SIGINT)  # while Python ends
    assert left_at_once == [130]


class Pipe(io.RawIOBase):
    """A stream that is asked to stop while it writes."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        assert isinstance(data, memoryview)
        signal.raise_signal(signal.SIGINT)
        return len(data)


@pytest.mark.usefixtures("_own_handlers")
def test_ctrl_c_in_the_midst_of_a_line_is_a_wish_and_no_fault(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python cannot write to a stream from within a write to it."""
    stream = io.TextIOWrapper(io.BufferedWriter(Pipe()), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", stream)
    wish = Wish()
    with wish.listening():
        say("a line", stream)
    assert wish.code == 130
    assert capfd.readouterr().err == "bench: saving and stopping (Ctrl-C again stops at once)\n"


def test_a_line_is_written_at_once() -> None:
    """In two pieces, Ctrl-C between them would join it to the next line."""
    pieces: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    say("a\x1bline", Stream())
    assert [piece for piece in pieces if piece] == ["a\\x1bline\n"]
