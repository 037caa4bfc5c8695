"""What `bench store check` finds, place by place: each file that is ours, somebody else's, hidden, left or a link."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from store_examples import (
    ID,
    add,
    add_latency,
    cost,
    dangling,
    failure,
    latency,
    record,
    rewrite,
    run_id,
    sealed,
    sweep,
)

from bench.spec import SCHEMA
from bench.store import Store, dump
from bench.store.checking import Finding, check, files_in


def kinds(store: Store) -> dict[str, str]:
    """Where -> what, below the project."""
    return {str(one.path.relative_to(store.root.parent)): one.kind for one in check(store)}


@pytest.fixture
def full(store: Store) -> Store:
    """One of everything, also among what was shipped and in the working folder."""
    for one in (store, Store(store.root / "reference")):
        add(one)
        one.add_cost(cost(), "fake")
        add_latency(one)
        one.save_sweep(sweep())
    store.add_failure(failure())
    (store.run_folder(ID) / "step-1.pt").write_bytes(sealed(b"abc"))
    (store.run_folder(ID) / "log.txt").write_text("said\n")
    return store


def test_nothing_is_wrong_with_what_the_store_writes(full: Store) -> None:
    assert check(full) == ()
    assert files_in(full) == 2 * (2 + 1 + 2 + 1) + 3
    (full.work / "claims").mkdir(exist_ok=True)
    (full.work / "claims" / ID).write_text("")  # no record
    assert files_in(full) == 15


PLACES = ("runs", "costs", "costs/fake", "sweeps", "reference/runs", "reference/costs/fake", "reference/sweeps")


@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_somebody_else_is_a_stranger_and_a_hidden_one_is_none(full: Store, place: str) -> None:
    for name in (".DS_Store", "._x.json", ".x.samples.npz.swp", ".x.123.tmp.json"):
        (full.root / place / name).write_text("")
    (full.root / place / f".x.json.{os.getpid()}.tmp").write_text("")  # of a living process
    assert check(full) == ()
    (full.root / place / "notes.txt").write_text("")
    (one,) = check(full)
    assert (one.path.name, one.kind, one.is_fault, one.moves) == ("notes.txt", "stranger", False, ())
    (full.root / place / "notes.txt").rename(full.root / place / ".x.json.4194305.tmp")
    (one,) = check(full)
    assert (one.kind, one.is_fault, one.moves) == ("temporary", True, (one.path,))


@pytest.mark.parametrize("place", [*PLACES, ".", "../.bench/runs", f"../.bench/runs/{ID}", "../.bench"])
def test_a_link_is_a_finding_and_is_not_followed(full: Store, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "notes.txt").write_text("")
    link = full.root / place / "x"
    link.symlink_to(tmp_path / "elsewhere")
    seen = {".": [], "../.bench": []}.get(place, [("link", (link.parent / "x",))])
    found = [(one.kind, tuple(path.parent.resolve() / path.name for path in one.moves)) for one in check(full)]
    assert found == [(kind, tuple(path.parent.resolve() / path.name for path in moves)) for kind, moves in seen]


@pytest.mark.parametrize("place", ["runs", "costs", "costs/fake", "sweeps", "../.bench/runs", f"../.bench/runs/{ID}"])
def test_a_folder_that_is_a_link_is_one_finding(full: Store, tmp_path: Path, place: str) -> None:
    folder = Path(os.path.normpath(full.root / place))
    shutil.move(folder, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "notes.txt").write_text("")
    folder.symlink_to(tmp_path / "elsewhere")
    assert [(one.path, one.kind, one.moves) for one in check(full)] == [(folder, "link", (folder,))]


def test_names_that_are_almost_a_record_s(full: Store) -> None:
    for name in ("r-notes.json", "r-notes.txt", "notes.json", f"{ID}.a1.json", f"{ID}.a02.json", "r-1.images.npz"):
        (full.root / "runs" / name).write_text("")
    assert kinds(full) == {
        "results/runs/r-notes.json": "misplaced",
        f"results/runs/{ID}.a1.json": "misplaced",
        f"results/runs/{ID}.a02.json": "misplaced",
        "results/runs/r-notes.txt": "stranger",
        "results/runs/notes.json": "stranger",
        "results/runs/r-1.images.npz": "stranger",
    }


def test_each_missing_attempt_is_named(store: Store) -> None:
    for _ in range(11):
        add(store)
    assert check(store) == ()
    for attempt in (1, 2, 10):
        path = store.run_file(ID, attempt)
        path.unlink()
        path.with_suffix(".images.npz").unlink()
    assert kinds(store) == dict.fromkeys([f"results/runs/{ID}{end}.json" for end in ("", ".a10", ".a2")], "gap")
    away = store.work / "quarantine" / "20260101T000000Z" / "results" / "runs"
    away.mkdir(parents=True)
    (away / f"{ID}.a2.json").write_text("")  # put away: that is why it is missing
    assert f"results/runs/{ID}.a2.json" not in kinds(store)


def test_counts_without_a_record_are_an_orphan_of_that_run(store: Store) -> None:
    path = add(store, 2)
    path.unlink()
    (one,) = check(store)
    assert (one.path, one.kind, one.run_id) == (path.with_suffix(".images.npz"), "orphan", run_id(2))
    assert one.moves == (one.path,)
    link = path.with_suffix(".images.npz")
    link.unlink()
    link.symlink_to("nowhere")
    assert [one.kind for one in check(store)] == ["link"]


Spoil = Callable[[Store], object]
SPOILT: dict[str, tuple[Spoil, str, str, tuple[str, ...]]] = {
    "counts that are a dangling link": (
        lambda s: dangling(images(s)),
        "damaged",
        f"{ID}.images.npz: it is no plain file",
        (f"{ID}.json", f"{ID}.images.npz"),
    ),
    "no counts": (lambda s: images(s).unlink(), "damaged", f"{ID}.images.npz: it is missing", (f"{ID}.json",)),
    "another run": (
        lambda s: rewrite(s.run_file(ID), run_id=run_id(7)),
        "misplaced",
        f"holds run {run_id(7)}",
        (f"{ID}.json", f"{ID}.images.npz"),
    ),
    "a field deep inside": (
        lambda s: rewrite(s.run_file(ID), history={"steps": ["x"]}),
        "damaged",
        "history.steps.0: ",
        (f"{ID}.json", f"{ID}.images.npz"),
    ),
    "a later program's": (
        lambda s: rewrite(s.run_file(ID), schema_number=SCHEMA + 1),
        "newer",
        f"has schema {SCHEMA + 1}, newer than this program's {SCHEMA}; update bench",
        (),
    ),
}


def images(store: Store) -> Path:
    return store.run_file(ID).with_suffix(".images.npz")


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_wrong_with_a_run_and_what_moves_for_it(store: Store, case: str) -> None:
    spoil, kind, problem, moves = SPOILT[case]
    spoil((add(store), store)[1])
    (one,) = (one for one in check(store) if one.kind != "link")
    assert (one.kind, one.path, one.run_id) == (kind, store.run_file(ID), ID)
    assert one.problem.startswith(problem)
    assert tuple(path.name for path in one.moves) == moves


def test_a_run_without_counts_is_whole(store: Store) -> None:
    path = store.run_file(ID)
    path.parent.mkdir()
    path.write_bytes(dump(record()))
    assert check(store) == ()


def samples(path: Path) -> Path:
    return path.with_suffix(".samples.npz")


MEASURED: dict[str, tuple[Callable[[Path], object], str, str, bool]] = {
    "cut": (lambda p: p.write_bytes(b"{"), "damaged", "is no valid record", True),
    "a field": (lambda p: rewrite(p, timings=[{}]), "damaged", "latency.timings.0.", True),
    "readings flipped": (lambda p: samples(p).write_bytes(b"x"), "damaged", "its sha256 is not", True),
    "readings gone": (lambda p: samples(p).unlink(), "damaged", "it is missing", False),
    "readings a dangling link": (
        lambda p: dangling(samples(p)),
        "damaged",
        "it is no plain file",
        True,
    ),
    "readings of another": (lambda p: rewrite(p, samples_file="x.npz"), "damaged", "names another file", True),
    "another second": (lambda p: rewrite(p, measured_utc="2026-01-02T03:04:06Z"), "misplaced", "03:04:06Z", True),
}


@pytest.mark.parametrize("case", MEASURED)
def test_what_is_wrong_with_timings_and_what_moves_for_it(store: Store, case: str) -> None:
    spoil, kind, words, both = MEASURED[case]
    path = add_latency(store)
    spoil(path)
    (one,) = (one for one in check(store) if one.kind != "link")
    assert (one.kind, one.path, one.run_id) == (kind, path, None)
    assert words in one.problem
    assert one.moves == ((path, samples(path)) if both else (path,))


def test_timings_without_readings_are_whole(store: Store) -> None:
    path = add_latency(store)
    samples(path).unlink()
    path.write_bytes(dump(latency()))
    assert check(store) == ()
    path.rename(path.with_name("notes.json"))
    assert [one.kind for one in check(store)] == ["misplaced"]


def test_readings_without_a_record_are_an_orphan(store: Store) -> None:
    path = add_latency(store)
    path.unlink()
    assert [(one.path, one.kind, one.moves) for one in check(store)] == [(samples(path), "orphan", (samples(path),))]
    samples(path).unlink()
    samples(path).symlink_to("nowhere")
    assert [one.kind for one in check(store)] == ["link"]


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (sealed(b"abc"), True),
        (sealed(b""), True),
        (sealed(b"abc", line=65536), True),
        (sealed(b"abc", line=65537), False),
        (sealed(b"abc", bytes=2), False),
        (sealed(b"abc", sha256="0" * 64), False),
        (sealed(b"abc")[:-1], False),
        (b"[]\nabc", False),
        (b"{}\nabc", False),
        (b"[" * 65536, False),
        (b"", False),
    ],
    ids=range(11),
)
def test_a_checkpoint_states_size_and_digest_of_what_follows(store: Store, content: bytes, whole: bool) -> None:
    folder = store.run_folder(ID)
    folder.mkdir(parents=True)
    (folder / "step-1.pt").write_bytes(content)
    wanted = Finding(
        folder / "step-1.pt",
        "damaged",
        "was changed after it was written (sha256)",
        (folder / "step-1.pt",),
        ID,
    )
    assert check(store) == (() if whole else (wanted,))
    (folder / "step-1.pt").rename(folder / "step-1.log")  # no checkpoint
    assert check(store) == ()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_called_a_checkpoint_and_is_no_file(store: Store, make: Callable[[Path], None]) -> None:
    """A pipe would be waited for."""
    store.run_folder(ID).mkdir(parents=True)
    make(store.run_folder(ID) / "step-1.pt")
    assert [one.kind for one in check(store)] == ["damaged"]


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [(dump(failure(2)), "misplaced", f"tells of run {run_id(2)}"), (b"{", "damaged", "is no valid record")],
)
def test_a_note_of_failure_that_is_wrong(store: Store, content: bytes, kind: str, words: str) -> None:
    path = store.add_failure(failure())
    path.write_bytes(content)
    (one,) = check(store)
    assert (one.path, one.kind, one.moves, one.run_id) == (path, kind, (path,), ID)
    assert words in one.problem


def test_a_claimed_run_is_in_flux_unless_it_is_ours(store: Store) -> None:
    (add(store)).unlink()
    (store.run_folder(ID)).mkdir(parents=True)
    (store.run_folder(ID) / ".x.4194305.tmp").write_bytes(b"")
    both = ["orphan", "temporary"]
    assert sorted(one.kind for one in check(store)) == both
    lease = store.claim(ID)
    assert lease is not None
    with lease:
        assert check(store) == ()
        assert sorted(one.kind for one in check(store, held=[ID])) == both


def test_findings_come_by_path(full: Store) -> None:
    for place in ("sweeps", "costs", "runs"):
        (full.root / place / "notes.txt").write_text("")
    assert [one.path.parent.name for one in check(full)] == ["costs", "runs", "sweeps"]


def test_counts_are_looked_at(store: Store) -> None:
    path = store.add_run(record(), {"d/a": np.array([[[3, 1], [0, 3]]])})
    assert [one.problem for one in check(store)] == [
        f"{path.stem}.images.npz: its counts of d/a do not add up to its record's"
    ]
