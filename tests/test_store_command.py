"""`bench store`: what is wrong is found, moved away and nothing else; another folder's records come in beside ours."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import run_command_line
from bench.spec import SCHEMA, Failure, History, PlannedRun, RunConfig, RunRecord, Sweep
from bench.store import Store, dump, files
from bench.store.checking import check
from bench.store.merging import merge
from bench.store.repairing import repair

KEPT = Path(__file__).parent / "fixtures" / "records" / f"v{SCHEMA}"
CONFIG = RunConfig(model="m", dataset="d", source="d/a", evaluate_on=("d/a",), steps=3)
ID = "r-0000000000000001"


def record(run_id: str = ID, **changes: Any) -> RunRecord:
    fields = {
        "run_id": run_id,
        "name": "tiny",
        "sweep": "s",
        "config": CONFIG,
        "synthetic": True,
        "classes": ("a", "b"),
        "confusion": {"d/a": ((3, 1), (0, 2))},
        "images_scored": {"d/a": 1},
        "history": History(),
        "chosen_step": 3,
        "steps": 3,
        "images_seen": 6,
        "source_images": 8,
        "seconds": {"total": 1.0},
        "memory_bytes": {},
        "device": "fake",
        "machine": {},
        "software": {},
        "commit": None,
        "dirty": None,
        "data_digests": {},
        "started_utc": "2026-01-01T00:00:00Z",
        "finished_utc": "2026-01-01T00:00:01Z",
    }
    return RunRecord.model_validate({**fields, **changes})


COUNTS = {"d/a": np.array([[[3, 1], [0, 2]]])}


def add(store: Store, run_id: str = ID, **changes: Any) -> Path:
    return store.add_run(record(run_id, **changes), COUNTS)


def sweep(name: str, about: str = "") -> Sweep:
    return Sweep(name=name, about=about, runs=(PlannedRun(name="tiny", run_id=ID, config=CONFIG),))


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is really synced: `tests/fault` looks after that."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with two attempts of one run, another run, a plan and the kept measurements, written once."""
    here = Store(tmp_path_factory.mktemp("written") / "results")
    add(here)
    add(here, seconds={"total": 2.0})
    add(here, "r-0000000000000002")
    here.save_sweep(sweep("s"))
    shutil.copytree(KEPT / "costs", here.root / "costs")
    return here.root


@pytest.fixture
def store(written: Path, results: Path) -> Store:
    """A store of this test's own with what is in `written`."""
    shutil.copytree(written, results, dirs_exist_ok=True)
    return Store(results)


Bench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """bench(words...) -> (code, stdout, stderr) of `bench store` beside `results`."""
    monkeypatch.chdir(results.parent)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(["store", *words])
        return code, *capsys.readouterr()

    return run


def tree(folder: Path) -> dict[str, str]:
    found = sorted(p for p in folder.rglob("*") if p.is_file() or p.is_symlink())
    return {str(p.relative_to(folder)): p.is_symlink() or hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


# ------------------------------------------------------------------ check


def test_a_whole_folder_has_nothing_wrong(store: Store, bench: Bench) -> None:
    before = tree(store.root.parent)
    code, out, err = bench("check")
    assert (code, out, err) == (0, "10 files, nothing wrong\n", "")
    code, out, _ = bench("check", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["files"], told["findings"], told["wrong"]) == (10, [], 0)
    assert tree(store.root.parent) == before


def rewrite(path: Path, **keys: Any) -> None:
    """Change fields of a record and give it a digest that fits."""
    plain = {**files.parse(path), **keys}
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))


def repack(path: Path, **arrays: Any) -> None:
    """Other arrays beside a record, and their digest in it."""
    images = path.with_suffix(".images.npz")
    np.savez(images, **arrays)
    rewrite(path, images_sha256=hashlib.sha256(images.read_bytes()).hexdigest())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of(store: Store, number: int = 2) -> Path:
    return store.run_file(f"r-{number:016x}")


def cost(store: Store) -> Path:
    return sorted((store.root / "costs").glob("*/*.json"))[0]


def work(store: Store, name: str, content: bytes, run_id: str = ID) -> Path:
    path = store.run_folder(run_id) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def failure(run_id: str) -> bytes:
    fields = {"name": "tiny", "sweep": "s", "config": CONFIG, "state": "failed", "reason": "x", "device": ""}
    return dump(Failure.model_validate({**fields, "run_id": run_id, "finished_utc": ""}))


def sealed(content: bytes, stated: bytes) -> bytes:
    head = {"run_id": ID, "step": 1, "sha256": hashlib.sha256(stated).hexdigest(), "bytes": len(stated)}
    return json.dumps(head).encode() + b"\n" + content


WRONG: dict[str, tuple[Callable[[Store], Any], str, str]] = {
    "record flipped": (lambda s: flip(of(s)), "damaged", ""),
    "record of another run": (lambda s: shutil.copy(of(s), of(s, 7)), "misplaced", "holds run r-0000000000000002"),
    "copy of a record": (
        lambda s: shutil.copy(of(s), of(s).with_name("r-0000000000000002 (1).json")),
        "misplaced",
        "has no record's name",
    ),
    "record without a field": (lambda s: rewrite(of(s), confusion=None), "damaged", "confusion"),
    "arrays flipped": (lambda s: flip(of(s).with_suffix(".images.npz")), "damaged", "sha256 is not the record's"),
    "arrays missing": (lambda s: of(s).with_suffix(".images.npz").unlink(), "damaged", "it is missing"),
    "arrays of another file": (lambda s: rewrite(of(s), images_file="x.npz"), "damaged", "names another file"),
    "arrays of other sums": (lambda s: repack(of(s), **{"d.a": COUNTS["d/a"] + 1}), "damaged", "do not add up"),
    "arrays of another shape": (lambda s: repack(of(s), **{"d.a": COUNTS["d/a"][0]}), "damaged", "is int64 (2, 2)"),
    "arrays of fractions": (lambda s: repack(of(s), **{"d.a": COUNTS["d/a"] * 1.0}), "damaged", "is float64"),
    "arrays of another domain": (lambda s: repack(of(s), **{"d.b": COUNTS["d/a"]}), "damaged", "it holds d.b"),
    "arrays too large": (lambda s: repack(of(s), **{"d.a": np.zeros((999, 2, 2))}), "damaged", "larger than"),
    "arrays of objects": (
        lambda s: repack(of(s), **{"d.a": np.array([{}], dtype=object)}),
        "damaged",
        "no archive of arrays",
    ),
    "arrays without a record": (lambda s: of(s).unlink(), "orphan", "has no record"),
    "an attempt missing": (
        lambda s: (s.run_file(ID).unlink(), s.run_file(ID).with_suffix(".images.npz").unlink()),
        "gap",
        "a later attempt is there",
    ),
    "cost flipped": (lambda s: flip(cost(s)), "damaged", ""),
    "cost of another time": (
        lambda s: cost(s).rename(cost(s).with_name("20200101T000000Z_00000000.json")),
        "misplaced",
        "which is not its name",
    ),
    "readings without a record": (
        lambda s: cost(s).with_name("20200101T000000Z_00000000.samples.npz").write_bytes(b""),
        "orphan",
        "has no record",
    ),
    "plan of another sweep": (
        lambda s: (s.root / "sweeps/s.json").rename(s.root / "sweeps/t.json"),
        "misplaced",
        "holds the plan of sweep s",
    ),
    "plan cut": (lambda s: (s.root / "sweeps/s.json").write_bytes(b"{"), "damaged", "is no valid record"),
    "failure of another run": (lambda s: work(s, "failure.json", failure("r-x")), "misplaced", "tells of run r-x"),
    "failure cut": (lambda s: work(s, "failure.json", b"{"), "damaged", "is no valid record"),
    "checkpoint flipped": (lambda s: work(s, "step-1.pt", sealed(b"abd", b"abc")), "damaged", "sha256"),
    "checkpoint cut": (lambda s: work(s, "step-1.pt", sealed(b"ab", b"abc")), "damaged", "sha256"),
    "checkpoint empty": (lambda s: work(s, "step-1.pt", b""), "damaged", "sha256"),
    "left in runs": (lambda s: (s.root / "runs/.x.json.4194305.tmp").write_bytes(b""), "temporary", "killed"),
    "left in a device's folder": (lambda s: (cost(s).parent / ".x.4194305.tmp").write_bytes(b""), "temporary", ""),
    "left in sweeps": (lambda s: (s.root / "sweeps/.x.4194305.tmp").write_bytes(b""), "temporary", "killed"),
    "left beside the runs": (lambda s: (s.root / "costs/.x.4194305.tmp").write_bytes(b""), "temporary", "killed"),
    "left in a run's folder": (lambda s: work(s, ".step-1.pt.4194305.tmp", b""), "temporary", "killed"),
    "left in the working folder": (
        lambda s: (s.work.mkdir(), (s.work / ".configs.json.4194305.tmp").write_bytes(b"")),
        "temporary",
        "killed",
    ),
    "reference flipped": (
        lambda s: (add(Store(s.root / "reference"), "r-0000000000000003"), flip(of(Store(s.root / "reference"), 3))),
        "damaged",
        "",
    ),
}
UNMENDABLE = {"an attempt missing"}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found_moved_and_noted(store: Store, bench: Bench, case: str) -> None:
    spoil, kind, words = WRONG[case]
    spoil(store)
    spoilt, before = tree(store.root), tree(store.root.parent)
    (finding,) = check(store)
    assert (finding.kind, finding.is_fault) == (kind, True)
    assert words in finding.problem
    code, out, err = bench("check")
    assert (code, err) == (4, "")
    assert str(finding.path.relative_to(store.root.parent)) in out
    assert "1 thing wrong" in out
    assert len(repair(store, dry_run=True).left) == (case in UNMENDABLE)
    assert tree(store.root.parent) == before
    code, out, err = bench("repair")
    assert err == ""
    if case in UNMENDABLE:
        assert code == 4
        assert tree(store.root) == spoilt
        return
    assert code == 0
    assert check(store) == ()
    (listed,) = (store.work / "quarantine").glob("*/moved.json")
    rows = files.parse(listed)["moved"]
    assert [Path(row["path"]) for row in rows] == [path.relative_to(store.root.parent) for path in finding.moves]
    assert all(Path(row["to"]).exists() for row in rows)
    after = tree(store.root.parent)
    assert sorted(before.values()) == sorted(v for k, v in after.items() if "moved.json" not in k and "claims" not in k)
    assert repair(store).moves == ()


def test_a_clean_folder_is_left_alone(store: Store, bench: Bench) -> None:
    before = tree(store.root.parent)
    assert bench("repair") == (0, "nothing to move\n", "")
    for words in (("repair", "--dry-run"), ("migrate",), ("repair", "--json"), ("migrate", "--dry-run")):
        assert bench(*words)[0] == 0
    assert tree(store.root.parent) == before


def test_a_strange_file_is_told_of_and_left(store: Store, bench: Bench) -> None:
    (store.root / "runs" / "notes.txt").write_text("mine")
    code, out, _ = bench("check")
    assert code == 0
    assert "stranger" in out
    assert repair(store).moves == ()


def test_what_a_running_run_is_writing_is_not_wrong(store: Store, bench: Bench) -> None:
    (store.root / "runs" / f"{ID[:-1]}9.images.npz").write_bytes(b"")
    work(store, "step-1.pt", b"half", f"{ID[:-1]}9")
    (store.root / "runs" / f".x.{os.getpid()}.tmp").write_bytes(b"")  # of a living process
    lease = store.claim(f"{ID[:-1]}9")
    assert lease is not None
    with lease:
        assert check(store) == ()
        assert repair(store).moves == ()
    assert {one.kind for one in check(store)} == {"orphan", "damaged"}
    assert len(repair(store).moves) == 2


def test_repair_leaves_a_claimed_run_alone(store: Store) -> None:
    flip(of(store))
    lease = store.claim("r-0000000000000002")
    assert lease is not None
    with lease:
        done = repair(store)
        assert (done.moves, len(done.left)) == ((), 1)
    assert len(repair(store).moves) == 2


def test_a_later_attempt_without_the_damaged_first_is_no_gap(store: Store, bench: Bench) -> None:
    flip(store.run_file(ID))
    assert bench("repair")[0] == 0
    assert bench("check")[0] == 0
    assert store.attempts(ID) == 2
    shutil.rmtree(store.work / "quarantine")
    assert [one.kind for one in check(store)] == ["gap"]


@pytest.mark.parametrize("words", [("check",), ("repair",), ("migrate",), ("merge", "results")])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "x").mkdir()
    os.chdir(tmp_path)
    assert run_command_line(["store", *words]) == 2
    assert not (tmp_path / "results").exists()


# ------------------------------------------------------------------ merge


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """Somebody else's results: one run as ours, one with other numbers, one that is new, and other plans."""
    theirs = Store(tmp_path / "theirs")
    add(theirs)
    add(theirs, "r-0000000000000002", seconds={"total": 9.0})
    add(theirs, "r-0000000000000003")
    theirs.save_sweep(sweep("s", "theirs"))
    theirs.save_sweep(sweep("t"))
    return theirs


def said(store: Store) -> set[str]:
    """All that the records of a store say, apart from attempts."""
    runs = {dump(one.record.model_copy(update={"images_file": None})) for one in store.read().runs}
    return {one.decode() for one in runs}


def test_another_folder_comes_in_beside_ours(store: Store, other: Store, bench: Bench) -> None:
    ours, theirs = tree(store.root), tree(other.root)
    assert bench("merge", "../theirs", "--dry-run")[0] == 2  # not there: said before anything is read
    code, out, err = bench("merge", "theirs", "--dry-run")
    assert (code, err) == (0, "")
    assert "3 to add, 1 here already, 1 plans differ (ours stay)" in out
    assert tree(store.root) == ours
    code, out, err = bench("merge", "theirs", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["added"], told["same"], told["kept_ours"], told["left"]) == (3, 1, 1, 0)
    after = tree(store.root)
    assert {name: after[name] for name in ours} == ours
    assert tree(other.root) == theirs
    assert {name for name in after if name not in ours} == {
        "runs/r-0000000000000002.a2.json",
        "runs/r-0000000000000002.a2.images.npz",
        "runs/r-0000000000000003.json",
        "runs/r-0000000000000003.images.npz",
        "sweeps/t.json",
    }
    assert check(store) == ()
    assert store.read().problems == ()
    code, out, _ = bench("merge", "theirs")
    assert "0 added, 4 here already" in out
    assert tree(store.root) == after


def test_the_order_of_merging_decides_attempts_only(store: Store, other: Store, tmp_path: Path) -> None:
    turned = Store(Path(shutil.copytree(other.root, tmp_path / "turned")))
    merge(store, other)
    merge(turned, Store(tmp_path / "results"))
    assert said(store) == said(turned)
    costs = [{path.name for path in one.root.glob("costs/*/*.json")} for one in (store, turned)]
    assert costs[0] == costs[1]
    assert check(turned) == check(store) == ()


def test_a_whole_project_may_be_named(store: Store, bench: Bench, tmp_path: Path) -> None:
    add(Store(tmp_path / "friend" / "results"), "r-0000000000000005")
    assert bench("merge", "friend")[0] == 0
    assert store.attempts("r-0000000000000005") == 1


def test_what_is_damaged_there_is_named_and_left_out(store: Store, other: Store, bench: Bench) -> None:
    flip(of(other, 3).with_suffix(".images.npz"))
    (other.root / "runs" / "r-000000000000000a.json").write_text("{")
    code, out, err = bench("merge", "theirs")
    assert code == 4
    lines = err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("bench: error: ") for line in lines)
    assert "2 added, 1 here already" in out
    assert check(store) == ()
    assert not of(store, 3).exists()


def test_a_measurement_of_the_same_name_is_never_replaced(store: Store, tmp_path: Path) -> None:
    theirs = Store(Path(shutil.copytree(store.root, tmp_path / "theirs")))
    rewrite(cost(theirs), params_deployed=7)
    before = tree(store.root)
    done = merge(store, theirs)
    assert ["is another measurement" in str(problem) for problem in done.problems] == [True]
    assert tree(store.root) == before


def test_a_run_that_is_running_here_is_left_out(store: Store, other: Store) -> None:
    lease = store.claim("r-0000000000000003")
    assert lease is not None
    with lease:
        done = merge(store, other)
    assert ["is running here now" in str(problem) for problem in done.problems] == [True]
    assert merge(store, other).problems == []
    assert store.attempts("r-0000000000000003") == 1


@pytest.mark.parametrize("place", ["results", "empty"])
def test_nothing_is_merged_into_itself_or_from_no_results(store: Store, bench: Bench, place: str) -> None:
    (store.root.parent / "empty").mkdir()
    code, _, err = bench("merge", place)
    assert code == 2
    assert err.startswith(f"bench: error: {place}: is ")
    assert err.count("\n") == 1
