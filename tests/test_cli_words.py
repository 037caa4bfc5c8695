"""Words -> exit code and streams: what typer raises, in each version claimed, is one line and a documented code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bench import cli
from bench.cli import run_command_line

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
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)  # the stdout of the tests stays open
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # typer wraps it
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    assert run_command_line(["--"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    """More text than a pipe holds, so that writing must fail once nobody reads; the code is that of `bench` itself."""
    command = f"'{sys.executable}' -m bench show sweeps/urban_rural.yaml | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
