"""`bench audit`: what is printed, the exit code, and what a hostile table can do (nothing)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import run_command_line
from bench.spec import ExitCode

TABLES = Path(__file__).parent / "tables"


def test_a_finding_is_a_line_and_the_exit_code_says_that_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["audit", str(TABLES / "published.md")]) == ExitCode.RUNS_FAILED
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(f"{TABLES / 'published.md'}:") for line in lines[:-1])
    assert lines[-1] == "3 rows of 1 table read: 3 impossible, 3 suspicious, 2 to note"


def test_nothing_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["audit", str(TABLES / "sane.md"), "--device", "RTX 4090"]) == ExitCode.OK
    assert capsys.readouterr().out == "10 rows of 3 tables read: nothing found\n"


def test_suspicions_alone_leave_the_exit_code_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,latency (ms),std (ms)\na,10,6\n")
    assert run_command_line(["audit", str(tmp_path / "t.csv")]) == ExitCode.OK


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["audit", str(TABLES / "copied.md"), "--json"]) == ExitCode.RUNS_FAILED
    found = json.loads(capsys.readouterr().out)
    copied = next(f for f in found["findings"] if f["rule"] == "copied")
    assert (copied["severity"], copied["lines"], copied["row"]) == ("impossible", [15, 16, 17, 18], "PIDNet")
    assert found["counts"]["impossible"] == sum(f["severity"] == "impossible" for f in found["findings"])
    assert found["not_checked"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--device", "RTX 309"], "did you mean RTX3090"),
        (["--size", "big"], "'big' is no image size; write height x width, as 512x1024"),
    ],
)
def test_options_that_mean_nothing(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["audit", str(TABLES / "sane.md"), *words]) == ExitCode.USAGE
    assert told in capsys.readouterr().err


def test_absent_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["audit", "none.md"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "bench: error: none.md: there is no such file; name a Markdown or CSV file\n"


def test_control_characters_and_formulas_reach_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "| Model | Params | FLOPs\x1b]0;title\x07 | Latency (ms) | mIoU |\n|-|-|-|-|-|\n"
        "| PIDNet-S\x1b[31m‮ | 43M\x1b[2J | 600G\x1b[1A | -1\x07 | 101\x1b[0m |\n"
        "| =cmd()!A1 | =SUM(1) | @x | +1+1 | -2 |\n" + "| " + "L" * 400 + " | -1M | -1G | 1 | 200 |\n"
    )
    path = tmp_path / "t\x1b[31m.md"
    path.write_text(text)
    assert run_command_line(["audit", str(path), "--size", "512x512"]) == ExitCode.RUNS_FAILED
    out = capsys.readouterr().out
    assert all(c == "\n" or c.isprintable() for c in out)
    assert max(map(len, out.splitlines())) <= 600
