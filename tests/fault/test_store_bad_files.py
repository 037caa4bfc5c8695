"""A7: one bad file hides nothing else: the rest is shown, each bad one is named, and nothing is followed or deleted."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from storework import put, record, run_id

from bench.cli import run_command_line
from bench.store import Store, dump, files
from bench.store.checking import check
from bench.store.repairing import repair

GOOD = 20
Plant = Callable[[Path, bytes], None]


def writing(content: Callable[[bytes], bytes]) -> Plant:
    return lambda path, whole: path.write_bytes(content(whole)) and None


def changed(**keys: object) -> Callable[[bytes], bytes]:
    """A whole record, its digest right, that says something impossible."""

    def make(whole: bytes) -> bytes:
        plain = {**json.loads(whole), **keys}
        del plain["sha256"]
        return files.layout({key: json.dumps(value) for key, value in plain.items()})

    return make


BAD: dict[str, Plant] = {
    "empty": writing(lambda whole: b""),
    "truncated": writing(lambda whole: whole[: len(whole) // 2]),
    "an empty object": writing(lambda whole: b"{}"),
    "a wrong sha": writing(lambda whole: whole.replace(b'"steps":3,', b'"steps":4,')),
    "merge markers": writing(lambda whole: b"<<<<<<< HEAD\n" + whole + b"=======\n" + whole + b">>>>>>> x\n"),
    "a byte order mark": writing(lambda whole: b"\xef\xbb\xbf" + whole),
    "a key that stands twice": writing(lambda whole: whole.replace(b'"dirty":null', b'"dirty":null,\n"dirty":null')),
    "NaN": writing(lambda whole: whole.replace(b'"images_seen":6', b'"images_seen":NaN')),
    "infinite": writing(lambda whole: whole.replace(b'"images_seen":6', b'"images_seen":1e999')),
    "half a character": writing(lambda whole: whole.replace(b'"tiny"', b'"\\ud800"')),
    "100 kB of brackets": writing(lambda whole: b"[" * 100_000),
    "a number of 5000 digits": writing(lambda whole: whole.replace(b'"steps":3', b'"steps":' + b"9" * 5000)),
    "a link": lambda path, whole: path.symlink_to("/etc/passwd"),
    "a link to nowhere": lambda path, whole: path.symlink_to("nowhere"),
    "a folder": lambda path, whole: path.mkdir(),
    "a pipe": lambda path, whole: os.mkfifo(path),
    "a pointer of a large-file store": writing(lambda whole: b"version x\noid sha256:0\nsize 3\n"),
    "a field missing": writing(changed(confusion=None)),
    "schema 0": writing(changed(schema_number=0)),
    "schema of words": writing(changed(schema_number="one")),
    "schema 999": writing(changed(schema_number=999)),
}


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, dict[str, Path]]:
    """A results folder with GOOD records and every bad one."""
    root = tmp_path / "results"
    for number in range(GOOD):
        put(Store(root), number)
    whole, paths = dump(record(1)), {}
    for at, (name, plant) in enumerate(BAD.items()):
        paths[name] = root / "runs" / f"{run_id(1000 + at)}.json"
        plant(paths[name], whole)
    return root, paths


def test_each_bad_file_is_named_and_every_good_one_read(
    planted: tuple[Path, dict[str, Path]], figure: Callable[..., None]
) -> None:
    root, paths = planted
    contents = Store(root).read()
    assert len(contents.runs) == GOOD
    assert {problem.file for problem in contents.problems} == set(paths.values())
    found = check(Store(root))
    assert {one.path for one in found} == set(paths.values())
    assert all(one.is_fault for one in found)
    figure("A7 bad files among good ones", f"{len(BAD)} of {len(BAD)} named, {GOOD} of {GOOD} good ones read")


def test_a_report_shows_the_rest_and_says_so(
    planted: tuple[Path, dict[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, paths = planted
    code = run_command_line(["report", "--results", str(root), "--format", "csv"])
    out, err = capsys.readouterr()
    assert code == 4
    lines = [line for line in err.splitlines() if line.startswith("bench: error: ")]
    assert len(lines) == len(err.splitlines()) == len(BAD)
    assert all(any(str(path) in line for line in lines) for path in paths.values())
    shown = " ".join(row["runs"] for row in csv.DictReader(io.StringIO(out)))
    assert [number for number in range(GOOD) if run_id(number) not in shown] == []


def test_repair_moves_them_all_but_what_is_newer(planted: tuple[Path, dict[str, Path]]) -> None:
    root, paths = planted
    whole = {path.name: path.read_bytes() for path in (root / "runs").iterdir() if path.is_file()}
    done = repair(Store(root))
    newer = paths["schema 999"]
    assert {move.path for move in done.moves} == set(paths.values()) - {newer}
    assert [one.path for one in done.left] == [newer]
    assert [one.path for one in check(Store(root))] == [newer]
    away = {path.name: path for path in (Store(root).work / "quarantine").glob("*/results/runs/*")}
    assert all(os.path.lexists(away[path.name]) for path in paths.values() if path != newer)
    for name, content in whole.items():  # byte for byte, in one of the two places
        assert (away[name] if name in away else root / "runs" / name).read_bytes() == content
    assert repair(Store(root)).moves == ()
    newer.unlink()
    assert repair(Store(root)).left == ()


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Store(tmp_path / "results"), 1)
    real = os.scandir

    def denied(path: object) -> object:
        if path == tmp_path / "results" / "runs":
            raise PermissionError(13, "Permission denied", path)
        return real(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", denied)
    contents = Store(tmp_path / "results").read()
    assert contents.runs == ()
    assert ["cannot be looked into (Permission denied)" in str(one) for one in contents.problems] == [True]


def test_a_layout_of_another_system_is_no_fault(tmp_path: Path) -> None:
    path = put(Store(tmp_path / "results"), 1)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check(Store(tmp_path / "results")) == ()
