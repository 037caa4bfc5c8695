"""A10: records of every earlier schema number are read, and can be rewritten; a kill on the way loses none.

One number more than there is is made up here: what was called `place` is called `device`.
`tests/report/test_report_kept.py` asks for a folder of real records for each number.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from storework import put, run_id, tomorrow

from bench.cli import run_command_line
from bench.report import staleness
from bench.report.render import render
from bench.spec import SCHEMA, BenchError
from bench.store import Store, files, parse, schemas
from bench.store.checking import check
from bench.store.migrating import migrate

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "records"
POINTS = tuple(f"store.{p}" for p in ("tmp_open", "written", "fsynced", "renamed", "dirsynced", "acked"))


def test_every_earlier_schema_number_has_its_function() -> None:
    assert sorted(schemas.UPGRADES) == list(range(1, SCHEMA))


def older(path: Path) -> dict[str, Any]:
    """Rewrite the record in `path` as a program before the change would have; returns what is in it today."""
    plain = parse(path)
    before = {key: value for key, value in plain.items() if key != "device"}
    before |= {"schema_number": SCHEMA, "place": plain["device"]}
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in before.items()}))
    return plain


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, dict[Path, dict[str, Any]]]:
    """A store with three records of today's schema, read by a program of the next."""
    store = Store(tmp_path / "results")
    paths = [put(store, number) for number in range(3)]
    plain = {path: older(path) for path in paths}
    tomorrow(monkeypatch.setattr)
    return store, plain


Old = tuple[Store, dict[Path, dict[str, Any]]]


def test_an_old_record_is_read_as_a_new_one(old: Old) -> None:
    store, plain = old
    contents = store.read()
    assert contents.problems == ()
    assert [one.record.device for one in contents.runs] == [one["device"] for one in plain.values()]
    assert {one.record.schema_number for one in contents.runs} == {SCHEMA + 1}
    assert check(store) == ()


def test_migrating_rewrites_once_and_keeps_the_originals(old: Old) -> None:
    store, plain = old
    before = {path.name: path.read_bytes() for path in plain}
    text = render(store.read())
    assert len(migrate(store, dry_run=True).moves) == 3
    assert {path.name: path.read_bytes() for path in plain} == before
    done = migrate(store)
    assert {move.to.name: move.to.read_bytes() for move in done.moves} == before
    assert all(json.loads(path.read_bytes())["schema_number"] == SCHEMA + 1 for path in plain)
    assert render(store.read()) == text
    assert check(store) == ()
    after = {path: path.read_bytes() for path in plain}
    again = migrate(store)
    assert (again.moves, again.current, again.noted) == ((), 3, None)
    assert {path: path.read_bytes() for path in plain} == after


def test_a_record_of_a_later_program_is_refused_by_name(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    store, plain = old
    migrate(store)
    monkeypatch.setattr(schemas, "SCHEMA", SCHEMA)
    problems = store.read().problems
    assert [problem.file for problem in problems] == list(plain)
    told = f"has schema {SCHEMA + 1}, newer than this program's {SCHEMA}; update bench"
    assert all(told in str(problem) for problem in problems)
    assert len(migrate(store).problems) == 3
    assert {one.kind for one in check(store)} == {"newer"}


def test_an_old_record_that_does_not_fit_is_named(old: Old) -> None:
    store, _ = old
    path = store.run_file(run_id(1))
    plain = {key: value for key, value in json.loads(path.read_bytes()).items() if key not in ("sha256", "place")}
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))
    with pytest.raises(BenchError, match="cannot be read as an earlier schema"):
        parse(path)
    assert len(store.read().runs) == 2


def killed(place: Path, fault: str) -> int:
    """`migrate` in a program of the next schema that is killed at `fault`."""
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from storework import tomorrow; tomorrow(setattr)\n"
        "from bench.store import Store; from bench.store.migrating import migrate\n"
        "migrate(Store(Path(sys.argv[1])))"
    )
    words = [sys.executable, "-c", program, str(place), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BENCH_TESTING": "1", "BENCH_FAULT": f"{fault}:kill"}
    return subprocess.run(words, env=environment, check=False).returncode


@pytest.mark.parametrize("nth", [3, pytest.param(2, marks=pytest.mark.fault), pytest.param(1, marks=pytest.mark.fault)])
@pytest.mark.parametrize("point", POINTS)
def test_migrating_survives_a_kill(old: Old, figure: Callable[..., None], point: str, nth: int) -> None:
    store, plain = old
    assert killed(store.root, f"{point}:{nth}") == -signal.SIGKILL
    for path, content in plain.items():  # in one of its two forms, both of which say the same
        assert parse(path) == {**content, "schema_number": SCHEMA + 1}
    migrate(store)
    assert all(json.loads(path.read_bytes())["schema_number"] == SCHEMA + 1 for path in plain)
    assert migrate(store).moves == ()
    figure(f"A10 migrate killed at {point} {nth}", "every record readable, the next migrate ends the work")


@pytest.mark.parametrize("version", sorted(path.name for path in FIXTURES.glob("v*")))
def test_the_records_kept_for_ever_are_whole(
    tmp_path: Path,
    version: str,
    capsys: pytest.CaptureFixture[str],
    figure: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(staleness, "changed_parts", lambda config, recorded: ())  # as if no code had changed since
    kept = Path(shutil.copytree(FIXTURES / version, tmp_path / "kept"))
    assert [one for one in check(Store(kept)) if one.is_fault] == []
    assert run_command_line(["report", "--results", str(kept), "--format", "md"]) == 0
    assert capsys.readouterr().out == (FIXTURES / version / "rendering.md").read_text(encoding="utf-8")
    before = render(Store(kept).read())
    migrate(Store(kept))
    assert render(Store(kept).read()) == before
    figure(f"A10 kept records {version}", "read, report byte-identical before and after migrate")
