"""F5: a symbolic link inside the results or the working folder is never written through."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from storework import failure, put, record, run_id

from bench.spec import BenchError, PlannedRun, Sweep
from bench.store import Store
from bench.store.checking import check
from bench.store.migrating import migrate
from bench.store.repairing import repair

ID = run_id(1)
PLACES = {
    "results/runs": lambda store: put(store, 1),
    f"results/runs/{ID}.images.npz": lambda store: put(store, 1),
    "results/sweeps": lambda store: store.save_sweep(Sweep(name="s", runs=(planned(),))),
    "results/sweeps/s.json": lambda store: store.save_sweep(Sweep(name="s", runs=(planned(),))),
    ".bench/runs": lambda store: store.add_failure(failure(1)),
    f".bench/runs/{ID}": lambda store: store.add_failure(failure(1)),
    f".bench/runs/{ID}/failure.json": lambda store: store.add_failure(failure(1)),
    ".bench/claims": lambda store: store.claim(ID),
    f".bench/claims/{ID}": lambda store: store.claim(ID),
    ".bench/quarantine": lambda store: (store.run_file("r-broken").write_text("{"), repair(store)),
}


def planned() -> PlannedRun:
    return PlannedRun(name="tiny", run_id=ID, config=record(1).config)


@pytest.mark.parametrize("as_file", [False, True], ids=["to a folder", "to a file"])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_written_through_a_link(
    tmp_path: Path, figure: Callable[..., None], place: str, as_file: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "sentinel").write_text("as it was")
    link = tmp_path / "project" / place
    (tmp_path / "project" / "results" / "runs").mkdir(parents=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir():
        link.rmdir()
    link.symlink_to(outside / "sentinel" if as_file else outside)
    with contextlib.suppress(BenchError):  # refused, or put in the place of the link
        PLACES[place](Store(tmp_path / "project" / "results"))
    assert [path.name for path in outside.iterdir()] == ["sentinel"]
    assert (outside / "sentinel").read_text() == "as it was"
    figure(f"F5 {place} a link", "sentinel unchanged")


def test_a_store_that_follows_them_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    from bench.store import folder

    monkeypatch.setattr(folder, "refuse_links", lambda top, path: path)
    (tmp_path / "results").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "results" / "runs").symlink_to(tmp_path / "outside")
    put(Store(tmp_path / "results"), 1)
    assert len(list((tmp_path / "outside").iterdir())) == 2


def test_links_are_found_and_put_away_as_links(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    put(store, 1)
    (tmp_path / "elsewhere").write_text("as it was")
    for path in (
        store.run_file(run_id(2)),
        store.root / "runs" / "x",
        store.root / "sweeps",
        store.work / "runs" / "y",
    ):
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(tmp_path / "elsewhere" if path.name != "sweeps" else tmp_path)
    assert {one.kind for one in check(store)} == {"link"}
    done = repair(store)
    assert len(done.moves) == 4
    assert all(os.path.islink(move.to) for move in done.moves)
    assert (tmp_path / "elsewhere").read_text() == "as it was"
    assert check(store) == ()
    assert migrate(store).moves == ()


def test_a_results_folder_that_is_a_link_itself_is_the_wish_of_its_owner(tmp_path: Path) -> None:
    (tmp_path / "large_disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "large_disk")
    store = Store(tmp_path / "results")
    store.add_run(record(1), {"d/a": np.array([[[1, 1], [0, 2]]])})
    assert len(list((tmp_path / "large_disk" / "runs").iterdir())) == 2
    assert check(store) == ()
