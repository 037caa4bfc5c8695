"""Whatever bytes or words come in: they are taken, or refused in one line; nothing else happens, and nothing is lost.

Each test draws some hundred cases by default, goes on for seconds with `-m fault`, and for BENCH_FUZZ_S on purpose.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fuzzing import ODD, fuzz, mangled, odd_versions, places
from hypothesis import strategies as st
from oracle import CRASHES, snapshot
from test_sweep_file import BAD, BOMBS, CRASHERS, one_line_or_none

from bench import checkpoint
from bench.cli import run_command_line
from bench.report import export, page
from bench.report.render import render
from bench.spec import BenchError, ExitCode
from bench.store import Store, files
from bench.store.checking import check
from bench.sweep.composer import parse

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "fixtures" / "records" / "v1"
Figure = Callable[[str, str], None]


def times(seconds: float) -> pytest.MarkDecorator:
    """A test with a number of examples, always the same ones, and again for so many seconds."""
    long = pytest.param(seconds, marks=[pytest.mark.fault, pytest.mark.timeout(7200)])
    return pytest.mark.parametrize("seconds", [0.0, long])


pytestmark = pytest.mark.filterwarnings("default")  # a warning about odd input is no fault

# ------------------------------------------------------------------ sweep files

SOUND = [parse(path.read_text()).plain() for path in sorted((ROOT / "sweeps").glob("*.yaml"))]
CORPUS = [path.read_bytes() for path in (*BAD, *sorted((ROOT / "sweeps").glob("*.yaml")))]
CORPUS += [*CRASHERS, *(text.encode() for text in BOMBS.values() if len(text) < 2000)]


def written(value: Any) -> str:
    """A JSON value as YAML, every key of a mapping on a line of its own."""
    if isinstance(value, dict):
        return "{" + ",".join(f"\n{json.dumps(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(v) for v in value) + "]"
    return json.dumps(value)


def sweep_texts() -> st.SearchStrategy[bytes]:
    """Sound sweeps made odd, written as YAML; half of them mangled as text besides."""
    structured = odd_versions(SOUND).map(lambda whole: written(whole).encode("utf-8", "surrogatepass"))
    return structured | structured | mangled(CORPUS)


@times(20)
def test_sweep_files(tmp_path: Path, figure: Figure, seconds: float) -> None:
    file = tmp_path / "fuzzed.yaml"

    def refused_or_taken(data: bytes) -> None:
        file.write_bytes(data)
        one_line_or_none(file)

    done = fuzz(refused_or_taken, sweep_texts(), 300, seconds)
    figure("E3 fuzzed sweep files", f"{done} files, 0 uncaught exceptions")


def renamed(whole: Any, path: tuple[Any, ...]) -> tuple[str, int, str]:
    """(YAML with the key at `path` misspelt, its line, the misspelt key)."""
    inside = whole = json.loads(json.dumps(whole))
    for key in path[:-1]:
        inside = inside[key]
    inside["\0"] = inside.pop(path[-1])
    text = written(whole)
    wrong = f"{path[-1]}x"
    line = text[: text.index('"\\u0000"')].count("\n") + 1
    return text.replace('"\\u0000"', json.dumps(wrong)), line, wrong


SLIPS = [(whole, path) for whole in SOUND for path in places(whole) if isinstance(path[-1], str)]


@times(4)
def test_a_misspelt_key_is_named_with_its_line(tmp_path: Path, figure: Figure, seconds: float) -> None:
    file = tmp_path / "slip.yaml"

    def told(slip: tuple[Any, tuple[Any, ...]]) -> None:
        text, line, wrong = renamed(*slip)
        file.write_text(text)
        found = one_line_or_none(file)
        assert found, f"{wrong} in line {line} is taken"
        if slip[1][-1] not in ("name", "base"):  # without these others are missing, and that is told
            assert any(error.line == line and wrong in str(error) for error in found), [str(e) for e in found]

    done = fuzz(told, st.sampled_from(SLIPS), 100, seconds)
    figure("E1 misspelt keys", f"{done} of {done} named with their line")


def test_plain_yaml_would_not_survive() -> None:
    """Negative control: the same cases drive the bare library to other exceptions."""
    leaked = set()

    def safe(data: bytes) -> None:
        try:
            yaml.safe_load(data)
        except yaml.YAMLError:
            pass
        except Exception as error:
            leaked.add(type(error).__name__)

    fuzz(safe, mangled(CRASHERS), 300)
    assert leaked


# ------------------------------------------------------------------ records

RECORDS = [
    path.relative_to(KEPT)
    for pattern in ("runs/*.json", "costs/*/*.json", "sweeps/*.json")
    for path in KEPT.glob(pattern)
]
PLAIN = {path: {k: v for k, v in json.loads((KEPT / path).read_bytes()).items() if k != "sha256"} for path in RECORDS}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Real records; without their counts per image, whose intervals would take most of the time."""
    shutil.copytree(KEPT, tmp_path / "results", ignore=shutil.ignore_patterns("rendering.md", "*.npz"))
    return Store(tmp_path / "results")


def in_the_place_of(store: Store, name: Path, data: bytes) -> int:
    """How many problems the store has with one record replaced; its neighbours are read whatever that is."""
    (store.root / name).write_bytes(data)
    contents = store.read()
    whole = len(contents.runs) + len(contents.costs) + len(contents.latencies) + len(contents.sweeps)
    assert whole + len(contents.problems) == len(RECORDS)
    assert len(contents.problems) <= 1
    for problem in contents.problems:
        assert problem.file == store.root / name
        text = str(problem)
        assert text.isprintable()
        assert len(text) <= 300
    if not contents.problems:
        shown(store)
    shutil.copy(KEPT / name, store.root / name)
    return len(contents.problems)


def shown(store: Store) -> None:
    """Whatever was read can be looked at and shown in every format."""
    contents = store.read()
    check(store)
    for show in (render, export.to_csv, export.to_json, page.to_html):
        show(contents)


@times(6)
def test_records(store: Store, figure: Figure, seconds: float) -> None:
    """Mangled records are refused, whoever mangled them: a digest is over all that is said."""
    refused = 0

    def named(case: tuple[Path, bytes]) -> None:
        nonlocal refused
        name, data = case
        found = in_the_place_of(store, name, data)
        refused += found
        if not found:  # only what says the same may pass
            assert {**json.loads(data)} == json.loads((KEPT / name).read_bytes())

    cases = st.sampled_from(RECORDS).flatmap(
        lambda name: st.tuples(st.just(name), mangled([(KEPT / name).read_bytes()]))
    )
    done = fuzz(named, cases, 60, seconds)
    assert refused > done / 2
    figure("A7 fuzzed records", f"{done} files, {refused} refused, {done - refused} say the same, neighbours read")


def signed(plain: Any) -> bytes:
    """A record as somebody writes it who knows how the digest is made."""
    return files.layout({key: files.canonical(value) for key, value in plain.items()})


@times(8)
def test_signed_records(store: Store, figure: Figure, seconds: float) -> None:
    """Records that say odd things under a right digest, as in a pull request: refused, or shown without a fault."""
    refused = 0

    def shown_or_refused(case: tuple[Path, Any]) -> None:
        nonlocal refused
        try:
            data = signed(case[1])
        except (ValueError, AttributeError, TypeError):  # cannot be written at all
            return
        refused += in_the_place_of(store, case[0], data)

    cases = st.sampled_from(RECORDS).flatmap(lambda name: st.tuples(st.just(name), odd_versions([PLAIN[name]])))
    done = fuzz(shown_or_refused, cases, 60, seconds)
    figure(
        "G2 records that say odd things", f"{done} records, {refused} refused, the others shown, 0 uncaught exceptions"
    )


# ------------------------------------------------------------------ checkpoints


@times(4)
def test_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Figure, seconds: float) -> None:
    """What was changed in any place never reaches torch; what is signed and odd is refused all the same."""
    path = tmp_path / "step-00000001.pt"
    checkpoint.save(path, {"step": 1, "w": torch.arange(9.0)}, run_id="r-1", step=1)
    whole = path.read_bytes()
    head, _, content = whole.partition(b"\n")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed what was not checked"))

    def sealed(facts: Any) -> bytes:
        facts = {**facts, "sha256": hashlib.sha256(json.dumps(facts).encode() + content).hexdigest()}
        return json.dumps(facts).encode() + b"\n" + content

    facts = {key: value for key, value in json.loads(head).items() if key != "sha256"}
    odd = st.fixed_dictionaries(dict.fromkeys(facts, ODD)).filter(lambda found: found["run_id"] != "r-1").map(sealed)
    heads = mangled([head]).map(lambda line: line + b"\n" + content)

    def refused(data: bytes) -> None:
        if data == whole:
            return
        path.write_bytes(data)
        with pytest.raises(BenchError) as caught:
            checkpoint.load(path, run_id="r-1")
        assert caught.value.code == ExitCode.STORE
        assert str(caught.value).isprintable()

    done = fuzz(refused, mangled([whole]) | heads | odd, 300, seconds)
    figure("B2 fuzzed checkpoints", f"{done} files, 0 parsed")


# ------------------------------------------------------------------ words on the command line

VERBS = [("sweep",), ("report",), ("status",), ("validate",), ("list",), ("show",), ("compare",), ("audit",)]
VERBS += [("store", verb) for verb in ("check", "repair", "migrate", "merge")]
VERBS += [("data",), ("data", "list"), ("data", "check"), ("data", "stats"), ("data", "show"), ("data", "get"), ()]
WORDS = [
    *("--results", "--readme", "--check", "--format", "--json", "-k", "--set", "--rerun", "--device", "--dry-run"),
    *("-n", "--keep", "-x", "--executor", "--retries", "--step-timeout", "--checkpoint-every", "--no-check", "-o"),
    *("--data-root", "--nothing", "-", "--", "-z", "--results=", "--format=csv", "--set=", "--help", "--version"),
    *("--by", "bad.yaml", "README.md", "results", ".", "..", "nowhere", "/dev/null", "results/runs", "odd.csv"),
    *("models", "md", "csv", "json", "html", "0", "-1", "1e9", "nan", "cpu", "cuda:99", "failed", "all", "=", "é"),
    *("base.model=x", "seeds=[1]", "$(id)", "`id`", "%s{0}", "../../x", "("),
]
WORDS += ["", "; rm x", "\x1b[2J", "a\nb", "\u202e", "x" * 3000, "\ud800", "not a and"]


@times(8)
def test_command_lines(
    store: Store,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    figure: Figure,
    seconds: float,
) -> None:
    """Any words: a documented exit code, and where it is not 0 one line that says why."""
    sandbox = store.root.parent
    shutil.copytree(KEPT / "runs", store.root / "runs", dirs_exist_ok=True)
    (sandbox / "bad.yaml").write_text("name: x\nbase: {modle: unet}\n")
    (sandbox / "odd.csv").write_text("a,b\n=1,2\n")
    shutil.copy(ROOT / "README.md", sandbox)
    monkeypatch.setenv("HOME", str(sandbox))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.chdir(sandbox)
    before = set(snapshot(sandbox))
    codes: set[int] = set()

    def documented(words: tuple[str, ...]) -> None:
        capfd.readouterr()
        code = run_command_line(words)
        out, err = capfd.readouterr()
        codes.add(code)
        assert code in set(ExitCode) - {ExitCode.INTERNAL}, (words, err)
        assert not [word for word in CRASHES if word in err], (words, err)
        if code not in (ExitCode.OK, ExitCode.RUNS_FAILED):
            lines = [line for line in err.splitlines() if line.startswith("bench: error: ")]
            assert lines, (words, out, err)
            assert all(line.isprintable() for line in lines), (words, err)

    cases = st.tuples(st.sampled_from(VERBS), st.lists(st.sampled_from(WORDS), max_size=3)).map(
        lambda c: (*c[0], *c[1])
    )
    done = fuzz(documented, cases, 100, seconds)
    made = {name for name in set(snapshot(sandbox)) - before if not name.startswith((".bench/", "../"))}
    assert {name for name in made if Path(name).suffix in (".yaml", ".json", ".npz")} == set()
    assert before <= set(snapshot(sandbox)), "a file is gone"
    assert {ExitCode.OK, ExitCode.USAGE} <= codes
    figure("Words on the command line", f"{done} command lines, 0 undocumented exits")
