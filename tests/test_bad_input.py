"""Bad input to whole commands, all of it held against one oracle; and the oracle against commands that are wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle import Bench, in_process_of_its_own, refused
from sweep_stand_ins.plug import stand_ins  # noqa: F401
from test_sweep_file import BAD, BOMBS, CRASHERS, expectation

from bench.cli import run_command_line
from bench.report.readme import BEGIN, END
from bench.spec import ExitCode

RECORDS = Path(__file__).parent / "fixtures" / "records" / "v1"


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A project with records and a README, alone in its folder."""
    folder = tmp_path / "project"
    shutil.copytree(RECORDS, folder / "results", ignore=shutil.ignore_patterns("rendering.md"))
    (folder / "README.md").write_text(f"# Mine\n\n{BEGIN}\n{END}\n")
    (folder / "good.yaml").write_text("name: good\nbase: {model: unet, dataset: land, source: urban, steps: 1}\n")
    return folder


@pytest.fixture
def bench(sandbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("BENCH_DATA", "BENCH_DEBUG", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(sandbox)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(words)
        return code, *capsys.readouterr()

    return run


GOOD = ("validate", "good.yaml")


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_every_bad_sweep_is_refused_by_the_command(bench: Bench, sandbox: Path, file: Path) -> None:
    line, key, _ = expectation(file)
    shutil.copy(file, sandbox / "bad.yaml")
    said = refused(bench, ("sweep", "bad.yaml"), sandbox, f"bad.yaml:{line}:", key, codes={ExitCode.USAGE}, rerun=GOOD)
    assert said.removeprefix("bench: error: ").startswith("bad.yaml:")


@pytest.mark.parametrize("name", ["merge_doubling", "large", "unknown_in_every_run"])
@pytest.mark.parametrize("words", [("sweep", "bomb.yaml"), ("sweep", "bomb.yaml", "-n"), ("status", "bomb.yaml")])
def test_a_bomb_is_refused_by_every_verb_that_reads_it(
    bench: Bench, sandbox: Path, words: tuple[str, ...], name: str
) -> None:
    (sandbox / "bomb.yaml").write_text(BOMBS[name])
    refused(bench, words, sandbox, "bomb.yaml", codes={ExitCode.USAGE}, rerun=GOOD)


@pytest.mark.parametrize("data", [CRASHERS[6], CRASHERS[24], b"", b"name: \xff\n"], ids=range(4))
def test_a_crasher_is_refused_by_the_command(bench: Bench, sandbox: Path, data: bytes) -> None:
    (sandbox / "crash.yaml").write_bytes(data)
    refused(bench, ("sweep", "crash.yaml"), sandbox, "crash.yaml", codes={ExitCode.USAGE}, rerun=GOOD)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _spoil(sandbox: Path, what: str) -> None:
    """Spoil the project in the way called `what`."""
    record = sorted((sandbox / "results" / "runs").glob("r-*.json"))[0]
    readme = sandbox / "README.md"
    if what == "record":
        flip(record)
    elif what == "link":
        record.unlink()
        record.symlink_to("/etc/passwd")
    elif what == "folder":
        shutil.rmtree(sandbox / "results" / "runs")
        (sandbox / "results" / "runs").write_text("x")
    elif what == "markers":
        readme.write_text(f"{END}\n{BEGIN}\n")
    elif what == "card":
        (sandbox / "results" / "reference").mkdir(exist_ok=True)
        (sandbox / "results" / "reference" / "card.json").write_text("{")


SPOILT: list[tuple[str, tuple[str, ...], ExitCode, str]] = [
    ("record", ("report", "--format", "csv"), ExitCode.STORE, "results/runs/r-"),
    ("link", ("report", "--format", "html"), ExitCode.STORE, "symbolic link"),
    ("folder", ("report", "--format", "json"), ExitCode.STORE, "is no folder"),
    ("folder", ("store", "check"), ExitCode.STORE, "is no folder"),
    ("markers", ("report",), ExitCode.USAGE, "README.md:1: has"),
    ("markers", ("report", "--check"), ExitCode.USAGE, "README.md:1: has"),
    ("nothing", ("report", "--readme", "good.yaml"), ExitCode.USAGE, "good.yaml"),
    ("nothing", ("show", "../../../etc/passwd"), ExitCode.USAGE, "passwd"),
    ("nothing", ("show", "r-0000000000000000"), ExitCode.USAGE, "r-0000000000000000"),
    ("nothing", ("store", "merge", "nowhere"), ExitCode.USAGE, "nowhere"),
    ("nothing", ("compare", "nowhere"), ExitCode.USAGE, "nowhere"),
    ("nothing", ("data", "get", "../camvid"), ExitCode.USAGE, "../camvid"),
    ("nothing", ("data", "check", "moon"), ExitCode.USAGE, "moon"),
    ("nothing", ("list", "\x1b[2J"), ExitCode.USAGE, "\\x1b[2J"),
    ("nothing", ("sweep", "no\nsuch.yaml"), ExitCode.USAGE, "such.yaml"),
    ("nothing", ("sweep", "good.yaml", "--set", "seeds=[-1]"), ExitCode.USAGE, "seeds"),
    ("nothing", ("sweep", "good.yaml", "--results", "good.yaml"), ExitCode.STORE, "good.yaml"),
]


@pytest.mark.parametrize(("what", "words", "code", "said"), SPOILT, ids=[f"{s[0]}-{' '.join(s[1])}" for s in SPOILT])
def test_a_command_over_something_bad_is_one_line(
    bench: Bench, sandbox: Path, what: str, words: tuple[str, ...], code: ExitCode, said: str
) -> None:
    _spoil(sandbox, what)
    refused(bench, words, sandbox, said, codes={code}, rerun=GOOD)


def test_the_real_streams_say_it_once(sandbox: Path) -> None:
    """What the tests above look at is caught by pytest; here a process of its own writes where people read."""
    (sandbox / "bad.yaml").write_text("name: x\nbase: {modle: unet}\n")
    refused(in_process_of_its_own(sandbox), ("sweep", "bad.yaml"), sandbox, "bad.yaml:2:", "modle", codes={2})


# ------------------------------------------------------------------ the oracle itself

LINE = "bench: error: a.yaml:1: model: is wrong; mend it\n"


def wrong(what: str, sandbox: Path) -> Bench:
    """A command that is wrong in one way."""

    def bench(*words: str) -> tuple[int, str, str]:
        if words == ("good",):
            return (1 if what == "a good command fails afterwards" else 0), "", ""
        if what == "a file is made":
            (sandbox / "x").write_text("x")
        if what == "a file beside the sandbox":
            (sandbox.parent / "x").write_text("x")
        if what == "a record is changed":
            flip(next((sandbox / "results" / "runs").glob("r-*.json")))
        if what == "a record is removed":
            next((sandbox / "results" / "runs").glob("r-*.json")).unlink()
        codes = {"it succeeds": 0, "an internal fault": 70, "killed by a signal": -11}
        texts = {
            "a traceback": "Traceback (most recent call last):\n" + LINE,
            "two lines of error": LINE * 2,
            "no line of error": "it did not work\n",
            "another file": LINE.replace("a.yaml", "b.yaml"),
            "a raw escape": LINE.replace("mend", "\x1b[2J"),
            "a long line": LINE.replace("mend", "m" * 400),
        }
        return codes.get(what, 2), "", texts.get(what, LINE)

    return bench


WRONG = (
    *("it succeeds", "an internal fault", "killed by a signal", "a traceback", "two lines of error"),
    *("no line of error", "another file", "a raw escape", "a long line", "a file is made"),
    *("a file beside the sandbox", "a record is changed", "a record is removed", "a good command fails afterwards"),
)


@pytest.mark.parametrize("what", WRONG)
def test_the_oracle_sees_a_wrong_command(sandbox: Path, what: str) -> None:
    with pytest.raises(AssertionError):
        refused(wrong(what, sandbox), ("sweep",), sandbox, "a.yaml", "model", rerun=("good",))


def test_the_oracle_passes_a_right_one(sandbox: Path) -> None:
    right: Callable[..., tuple[int, str, str]] = wrong("nothing", sandbox)
    assert refused(right, ("sweep",), sandbox, "a.yaml", "model", rerun=("good",)) == LINE.strip()
