"""README tells the truth: its tables are what the shipped records give, its commands and files exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.cli import app, run_command_line
from bench.cli.data import app as data
from bench.cli.storing import app as store
from bench.spec import ExitCode

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def committed() -> str:
    """README as it was committed: after `make` the working copy also shows the rows of this machine."""
    done = subprocess.run(["git", "show", "HEAD:README.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else README


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a fresh clone holds: the committed README and the reference records."""
    shutil.copytree(ROOT / "results" / "reference", tmp_path / "results" / "reference")
    (tmp_path / "README.md").write_text(committed())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tables_are_those_of_the_shipped_records(shipped: Path) -> None:
    assert run_command_line(["report", "--check"]) == ExitCode.OK


def test_a_changed_figure_in_the_tables_is_noticed(shipped: Path) -> None:
    text = (shipped / "README.md").read_text()
    begin = text.index("bench:report begin")
    spot = re.compile(r"\d\.\d").search(text, begin)
    assert spot
    digit = "1" if text[spot.start()] != "1" else "2"
    (shipped / "README.md").write_text(text[: spot.start()] + digit + text[spot.start() + 1 :])
    assert run_command_line(["report", "--check"]) == ExitCode.RUNS_FAILED
    assert run_command_line(["report"]) == ExitCode.OK
    assert (shipped / "README.md").read_text() == text


def test_every_sweep_that_is_named_exists_and_is_valid() -> None:
    named = {Path("sweeps") / name for name in re.findall(r"(?:sweeps/|\| `)(\w+\.yaml)", README)}
    assert named == {path.relative_to(ROOT) for path in (ROOT / "sweeps").glob("*.yaml")}
    assert run_command_line(["validate", *(str(ROOT / path) for path in sorted(named))]) == ExitCode.OK


def test_every_verb_is_named_and_every_option_that_is_named_exists(capsys: pytest.CaptureFixture[str]) -> None:
    named = set()
    for words, told in re.findall(r"^\| `bench ((?:data |store )?[\w-]+)[^`]*` \|(.*)\|$", README, re.MULTILINE):
        named.add(words)
        capsys.readouterr()
        assert run_command_line([*words.split(), "--help"]) == ExitCode.OK
        shown = capsys.readouterr().out
        for option in re.findall(r"`(--?[a-z-]+)", told):
            assert option in shown, f"bench {words} has no {option}"
    verbs = {
        f"{group}{c.name or c.callback.__name__}"
        for group, words in {"": app, "data ": data, "store ": store}.items()
        for c in words.registered_commands
        if c.callback
    }
    assert named == verbs


def test_the_exit_codes_are_all_there() -> None:
    rows = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(ExitCode)


def test_the_sweep_shown_is_one_that_works(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert text
    (tmp_path / "shown.yaml").write_text(text[1])
    assert run_command_line(["validate", str(tmp_path / "shown.yaml")]) == ExitCode.OK
