"""What is moved between folders: repaired into quarantine, migrated in place, merged from somebody else."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from store_examples import COUNTS, ID, add, add_latency, cost, failure, record, rewrite, run_id, sealed, sweep

from bench.spec import SCHEMA, BenchError, ExitCode
from bench.store import Store, dump, files, parse, quarantine, repairing, schemas
from bench.store.checking import check
from bench.store.merging import merge
from bench.store.migrating import migrate
from bench.store.repairing import repair


class Noon(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        assert tz is UTC
        return datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "datetime", Noon)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def broken(store: Store, number: int = 1) -> Path:
    path = add(store, number)
    path.write_bytes(b"{")
    return path


# ------------------------------------------------------------------ repair


@pytest.mark.usefixtures("noon")
def test_what_is_put_away_keeps_its_place_below_the_time(store: Store) -> None:
    broken(store)
    store.add_failure(failure(2)).write_bytes(b"{")
    (store.root / "reference" / "sweeps").mkdir(parents=True)
    (store.root / "reference" / "sweeps" / "s.json").write_bytes(b"{")
    before = tree(store.root.parent)
    done = repair(store)
    away = store.work / "quarantine" / "20260102T120000Z"
    assert done.noted == away / "moved.json"
    wanted = {
        f"results/runs/{ID}.json": f"results/runs/{ID}.json",
        f"results/runs/{ID}.images.npz": f"results/runs/{ID}.images.npz",
        "results/reference/sweeps/s.json": "results/reference/sweeps/s.json",
        f".bench/runs/{run_id(2)}/failure.json": f"work/runs/{run_id(2)}/failure.json",
    }
    assert {str(move.path.relative_to(store.root.parent)): str(move.to.relative_to(away)) for move in done.moves} == (
        wanted
    )
    assert {name: (away / to).read_bytes() for name, to in wanted.items()} == before
    rows = parse(away / "moved.json")["moved"]
    assert [(row["path"], row["to"]) for row in rows] == [(str(move.path), str(move.to)) for move in done.moves]
    assert {row["why"].partition(":")[0] for row in rows} == {"damaged"}
    assert done.left == ()


@pytest.mark.usefixtures("noon")
def test_several_repairs_within_a_second_have_folders_of_their_own(store: Store) -> None:
    for number in (1, 2, 3):
        broken(store, number)
        repair(store)
    names = sorted(path.name for path in (store.work / "quarantine").iterdir())
    assert names == ["20260102T120000Z", "20260102T120000Z-2", "20260102T120000Z-3"]


def test_the_folder_is_named_by_the_time_in_utc(store: Store) -> None:
    broken(store)
    noted = repair(store).noted
    assert noted is not None
    assert re.fullmatch(r"20\d{6}T\d{6}Z", noted.parent.name)


def test_a_dry_repair_touches_nothing(store: Store) -> None:
    broken(store)
    before = tree(store.root.parent)
    done = repair(store, dry_run=True)
    assert [move.path.name for move in done.moves] == [f"{ID}.json", f"{ID}.images.npz"]
    assert (done.noted, done.left) == (None, ())
    assert tree(store.root.parent) == before
    assert repair(store).moves != ()
    assert repair(store) == repairing.Repair((), None, ())


def test_what_no_repair_mends_is_told_of_and_strangers_are_not(store: Store) -> None:
    broken(store)
    rewrite(add(store, 2), schema_number=SCHEMA + 1)
    (store.root / "runs" / "notes.txt").write_text("")
    (store.root / "runs" / ".x.json.4194305.tmp").write_text("")
    assert [one.kind for one in repair(store).left] == ["newer"]
    assert sorted(one.kind for one in check(store)) == ["newer", "stranger"]


def test_a_run_that_was_repaired_may_be_claimed_again(store: Store) -> None:
    broken(store)
    repair(store)
    lease = store.claim(ID)
    assert lease is not None
    lease.release()


def test_what_a_run_wrote_meanwhile_is_looked_at_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a record when it was looked at first; whole when its claim could be had."""
    path = broken(store)
    real = check

    def look(*words: Any) -> Any:
        found = real(*words)
        path.unlink(missing_ok=True)
        path.with_suffix(".images.npz").unlink(missing_ok=True)
        if not store.root.joinpath("runs", f"{ID}.json").exists():
            store.add_run(record(), COUNTS)
        return found

    monkeypatch.setattr(repairing, "check", look)
    assert repair(store).moves == ()
    assert check(store) == ()


def test_a_run_that_somebody_has_claimed_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claimed after the first look."""
    broken(store)
    broken(store, 2)
    real = Store.claim
    monkeypatch.setattr(Store, "claim", lambda self, one: None if one == ID else real(self, one))
    done = repair(store)
    assert {move.path.name.partition(".")[0] for move in done.moves} == {run_id(2)}
    assert [one.run_id for one in done.left] == [ID]


def test_both_folders_of_a_move_are_put_on_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(quarantine, "sync_folder", synced.append)
    broken(store).with_suffix(".images.npz").unlink()
    (move,) = repair(store).moves
    assert synced == [move.to.parent, move.path.parent]


def test_what_cannot_be_moved_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = broken(store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(BenchError, match=r"cannot be moved to .* \(No space left on device\); check both") as caught:
        repair(store)
    assert (caught.value.code, caught.value.file) == (ExitCode.ENVIRONMENT, path)


# ------------------------------------------------------------------ migrate


def as_of_1(path: Path) -> None:
    """The record as a program of schema 1 would have written it, as far as it had the same fields."""
    plain = {**json.loads(path.read_bytes()), "schema_number": 1}
    del plain["sha256"]
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))


@pytest.fixture
def mixed(store: Store) -> tuple[Store, Path]:
    """One run, one plan and two measurements, one of them of schema 1."""
    add(store)
    store.save_sweep(sweep())
    add_latency(store)
    path = store.add_cost(cost(), "fake")
    as_of_1(path)
    assert schemas.number_of(parse(path)) == SCHEMA
    assert b'"schema_number":1' in path.read_bytes()
    return store, path


def test_records_of_every_kind_are_migrated_and_counted(mixed: tuple[Store, Path]) -> None:
    store, path = mixed
    before = tree(store.root.parent)
    told = migrate(store, dry_run=True)
    assert ([move.path for move in told.moves], told.noted, told.current) == ([path], None, 3)
    assert tree(store.root.parent) == before
    done = migrate(store)
    assert ([move.path for move in done.moves], done.current, done.problems) == ([path], 3, ())
    assert done.moves[0].why == f"schema 1 -> {SCHEMA}"
    assert done.noted is not None
    assert parse(done.noted)["moved"][0]["path"] == str(path)
    assert done.moves[0].to.read_bytes() == before[str(path.relative_to(store.root.parent))]
    assert path.read_bytes() == dump(cost())
    again = migrate(store)
    assert (again.moves, again.noted, again.current) == ((), None, 4)


def test_what_cannot_be_read_as_an_earlier_schema_is_named_and_the_rest_migrated(mixed: tuple[Store, Path]) -> None:
    store, path = mixed
    run = store.run_file(ID)
    plain = run.read_bytes()
    run.write_bytes(plain.replace(b'"evaluations"', b'"evaluation"'))
    as_of_1(run)
    done = migrate(store)
    assert [move.path for move in done.moves] == [path]
    assert [one.file for one in done.problems] == [run]
    assert "cannot be read as an earlier schema (KeyError: 'evaluations')" in str(done.problems[0])


# ------------------------------------------------------------------ merge


@pytest.fixture
def theirs(tmp_path: Path) -> Store:
    return Store(tmp_path / "theirs")


def fill(store: Store) -> None:
    add(store)
    store.add_cost(cost(), "fake")
    add_latency(store)
    store.save_sweep(sweep())


def names(paths: list[Path], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in paths]


def test_one_of_everything_comes_over_once(store: Store, theirs: Store) -> None:
    fill(theirs)
    before = tree(theirs.root)
    told = merge(store, theirs, dry_run=True)
    assert tree(store.root.parent) == {f"theirs/{name}": content for name, content in before.items()}
    done = merge(store, theirs)
    assert (done.added, done.same, done.kept, done.problems) == (told.added, 0, [], [])
    assert tree(store.root) == before
    assert [path.parent.name for path in done.added] == ["runs", "fake", "fake", "sweeps"]
    for dry_run in (True, False):
        again = merge(store, theirs, dry_run=dry_run)
        assert (again.added, again.same, again.kept, again.problems) == ([], 4, [], [])


def test_attempts_come_in_their_order(store: Store, theirs: Store) -> None:
    for number in range(10):
        add(theirs, images_seen=number)
    merge(store, theirs)
    assert [parse(store.run_file(ID, n + 1))["images_seen"] for n in range(10)] == list(range(10))
    assert check(store) == ()


def test_a_record_that_is_here_under_another_attempt_is_the_same(store: Store, theirs: Store) -> None:
    add(theirs, images_seen=7)
    add(theirs, images_seen=8)
    add(store, images_seen=8)
    done = merge(store, theirs)
    assert (names(done.added, store.root), done.same) == ([f"runs/{ID}.a2.json"], 1)
    assert check(store) == ()


def test_measurements_and_plans_that_differ_stay_ours(store: Store, theirs: Store) -> None:
    store.save_sweep(sweep(about="ours"))
    theirs.save_sweep(sweep(about="theirs"))
    path = store.add_cost(cost(), "fake")
    theirs.root.joinpath("costs", "fake").mkdir(parents=True)
    shutil.copy(path, theirs.root / "costs" / "fake" / path.name)
    rewrite(theirs.root / "costs" / "fake" / path.name, macs=7)
    before = tree(store.root)
    done = merge(store, theirs)
    assert (done.added, done.same, done.kept) == ([], 0, [store.root / "sweeps" / "s.json"])
    assert [str(one).partition("is another")[1] for one in done.problems] == ["is another"]
    assert (done.problems[0].file, done.problems[0].code) == (
        theirs.root / "costs" / "fake" / path.name,
        ExitCode.STORE,
    )
    assert tree(store.root) == before


@pytest.mark.parametrize("part", ["runs", "costs", "sweeps"])
def test_a_folder_with_one_part_is_a_results_folder(store: Store, theirs: Store, part: str) -> None:
    fill(theirs)
    for other in {"runs", "costs", "sweeps"} - {part}:
        shutil.rmtree(theirs.root / other)
    assert len(merge(store, theirs).added) == (2 if part == "costs" else 1)
    shutil.rmtree(theirs.root / part)
    with pytest.raises(BenchError, match="is no results folder"):
        merge(store, theirs)


@pytest.mark.parametrize("part", ["runs", "costs", "sweeps", "costs/fake"])
def test_what_lies_behind_a_link_stays_there(store: Store, theirs: Store, tmp_path: Path, part: str) -> None:
    fill(theirs)
    shutil.move(theirs.root / part, tmp_path / "elsewhere")
    (theirs.root / part).symlink_to(tmp_path / "elsewhere")
    done = merge(store, theirs)
    assert [(one.file, one.code) for one in done.problems] == [(theirs.root / part, ExitCode.STORE)]
    assert len(done.added) == (2 if part.startswith("costs") else 3)


def test_a_merge_with_oneself_is_refused(store: Store, tmp_path: Path) -> None:
    fill(store)
    (tmp_path / "same").symlink_to("results")
    with pytest.raises(BenchError, match="is the folder it is to be merged into"):
        merge(store, Store(tmp_path / "same"))


def test_only_what_is_taken_is_told_of(store: Store, theirs: Store) -> None:
    """Not what was shipped, not the working folder inside theirs, and nothing that leaves no record out."""
    fill(theirs)
    add(theirs)
    theirs.run_file(ID).unlink()
    theirs.run_file(ID).with_suffix(".images.npz").unlink()  # a gap
    (theirs.root / "runs" / f"{run_id(8)}.images.npz").write_bytes(b"")  # an orphan
    (theirs.root / "runs" / ".x.json.4194305.tmp").write_bytes(b"")
    (theirs.root / "runs" / "notes.txt").write_text("")
    for part in ("runs", "costs/fake", "sweeps"):
        (theirs.root / part / "._x.json").write_bytes(b"\x00\x05")  # as another system leaves them
    (theirs.root / "reference" / "sweeps").mkdir(parents=True)
    (theirs.root / "reference" / "sweeps" / "s.json").write_bytes(b"{")
    theirs.run_folder(ID).mkdir(parents=True)
    (theirs.run_folder(ID) / "step-1.pt").write_bytes(sealed(b"x", bytes=2))
    done = merge(store, theirs)
    assert done.problems == []
    assert len(done.added) == 4
    assert check(store) == ()


def test_a_damaged_record_is_told_of_and_left(store: Store, theirs: Store) -> None:
    fill(theirs)
    bad = [add(theirs, 2), add_latency(theirs, repeat=2), theirs.root / "sweeps" / "t.json"]
    bad[0].with_suffix(".images.npz").write_bytes(b"")
    for path in bad[1:]:
        path.write_bytes(b"{")
    done = merge(store, theirs)
    assert sorted(str(one.file) for one in done.problems) == sorted(map(str, bad))
    assert {one.code for one in done.problems} == {ExitCode.STORE}
    assert len(done.added) == 4


def test_a_run_that_is_running_here_waits_and_is_free_afterwards(store: Store, theirs: Store) -> None:
    add(theirs)
    add(theirs, 2)
    lease = store.claim(ID)
    assert lease is not None
    with lease:
        assert len(merge(store, theirs, dry_run=True).added) == 2
        done = merge(store, theirs)
    assert names(done.added, store.root) == [f"runs/{run_id(2)}.json"]
    (problem,) = done.problems
    assert (problem.problem, problem.remedy, problem.code, problem.file) == (
        f"{ID} is running here now",
        "merge again when it has ended",
        ExitCode.STORE,
        theirs.run_file(ID),
    )
    merge(store, theirs)
    for number in (1, 2):
        again = store.claim(run_id(number))
        assert again is not None
        again.release()
