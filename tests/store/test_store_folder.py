"""The store: where everything lies, what is written when, and that all of it comes back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_examples import (
    CONFIG,
    COUNTS,
    ID,
    add,
    add_latency,
    cost,
    failure,
    latency,
    record,
    rewrite,
    run_id,
    sealed,
    sweep,
)

from bench.spec import BenchError, ExitCode, Spelling
from bench.store import Lease, Store, Stored, dump, folder
from bench.store.checking import check

PARTS = ("runs", "costs", "sweeps", "reference")


def test_where_everything_lies(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    assert store.work == tmp_path / ".bench"
    assert Store(tmp_path / "mine").work == tmp_path / "mine" / ".bench"
    assert store.run_file("r-x") == store.run_file("r-x", 1) == tmp_path / "results" / "runs" / "r-x.json"
    assert store.run_file("r-x", 2) == tmp_path / "results" / "runs" / "r-x.a2.json"
    assert store.run_folder("r-x") == tmp_path / ".bench" / "runs" / "r-x"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [".", *PARTS])
@pytest.mark.parametrize("how", ["file", "link to nowhere"])
def test_what_lies_where_a_folder_belongs_is_named(tmp_path: Path, part: str, how: str) -> None:
    place = tmp_path / "results" / part
    if part != ".":
        (tmp_path / "results").mkdir()
    place.symlink_to("nowhere") if how.startswith("link") else place.write_text("")
    with pytest.raises(BenchError, match="is no folder; move it away") as caught:
        Store(tmp_path / "results")
    assert (caught.value.file, caught.value.code) == (place, ExitCode.STORE)


def test_all_that_is_stored_comes_back(store: Store) -> None:
    shipped = Store(store.root / "reference")
    paths = {}
    for origin, one in (("local", store), ("reference", shipped)):
        paths[origin] = [add(one), add(one), one.add_cost(cost(), "fake"), add_latency(one)]
        one.save_sweep(sweep())
    assert store.add_failure(failure(2)) == store.run_folder(run_id(2)) / "failure.json"
    found = store.read()
    assert found.problems == ()
    assert found.work == store.work
    both: list[Stored[Any]] = [*found.runs, *found.costs, *found.latencies]
    for origin, wanted in paths.items():
        assert [one.path for one in both if one.origin == origin] == [wanted[1], wanted[0], wanted[2], wanted[3]]
    assert [one.attempt for one in found.runs] == [2, 1, 2, 1]
    assert found.sweeps == ((sweep(), "local"), (sweep(), "reference"))
    assert found.failures == (failure(2),)
    assert [(one.record, one.origin) for one in store.costs()] == [(cost(), "local")]
    assert [(one.path, one.origin) for one in store.latencies()] == [(paths["local"][3], "local")]
    assert check(store) == ()


def test_names_of_measurements_say_when_and_what(store: Store) -> None:
    for path in (store.add_cost(cost(), "fake"), add_latency(store)):
        assert path.parent == store.root / "costs" / "fake"
        stamp, _, digest = path.stem.partition("_")
        assert (stamp, len(digest), int(digest, 16) >= 0) == ("20260102T030405Z", 8, True)
    others = [store.add_cost(cost(macs=2), "fake"), add_latency(store, repeat=2)]
    with pytest.raises(BenchError, match="File exists"):
        store.add_cost(cost(), "fake")
    assert len({path.name for path in (store.root / "costs" / "fake").glob("*.json")}) == 2 + len(others)


def test_readings_lie_beside_their_record(store: Store) -> None:
    path = add_latency(store)
    (found,) = store.latencies()
    named = {key: getattr(found.record, key) for key in ("samples_file", "samples_sha256")}
    assert found.record == latency(**named)
    assert named["samples_file"] == path.with_suffix(".samples.npz").name
    with np.load(path.with_suffix(".samples.npz")) as arrays:
        assert arrays["0.e2e"].tolist() == [1.5]


def test_a_finished_run_has_no_note_of_failure(store: Store) -> None:
    store.add_failure(failure())
    store.add_failure(failure(reason="again"))
    assert [one.reason for one in store.read().failures] == ["again"]
    add(store)
    assert store.read().failures == ()


def test_a_link_in_the_place_of_a_note_does_not_hide_that_a_run_is_stored(store: Store) -> None:
    store.run_folder(ID).mkdir(parents=True)
    assert add(store).exists()


class Taken(Lease):
    """A claim that is lost when it is looked at for the nth time."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def check(self) -> None:
        self.left -= 1
        if not self.left:
            raise BenchError("taken")


@pytest.mark.parametrize(("nth", "written"), [(1, []), (2, [f"{ID}.images.npz"]), (3, None)])
def test_who_has_lost_the_claim_stores_no_record(store: Store, nth: int, written: list[str] | None) -> None:
    """Looked at before the counts, and again before the record."""
    if written is None:
        store.add_run(record(), COUNTS, Taken(nth))
        return
    with pytest.raises(BenchError, match="taken"):
        store.add_run(record(), COUNTS, Taken(nth))
    assert [path.name for path in store.root.glob("runs/*")] == written


def test_a_plan_is_written_when_it_has_changed(store: Store) -> None:
    store.save_sweep(sweep())
    path = store.root / "sweeps" / "s.json"
    before = path.stat().st_ino
    (store.root / "sweeps" / "other").write_text("keeps its number from being given again")
    store.save_sweep(sweep())
    assert path.stat().st_ino == before
    store.save_sweep(sweep(about="changed"))
    assert path.read_bytes() == dump(sweep(about="changed"))
    assert [plan.about for plan, _ in store.read().sweeps] == ["changed"]
    path.unlink()
    path.mkdir()
    with pytest.raises(BenchError, match="cannot be written"):
        store.save_sweep(sweep())


def test_the_runs_of_a_plan_are_spelled_from_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that many runs share is worked out once: `dump` would look at each of them."""
    runs = sweep().runs * 3
    calls: list[Any] = []
    real = Spelling.__call__

    def counted(self: Spelling, config: Any) -> str:
        calls.append(config)
        return real(self, config)

    monkeypatch.setattr(Spelling, "__call__", counted)
    many = sweep().model_copy(update={"runs": runs})
    assert folder.dump_sweep(many) == dump(many)
    assert len(calls) == 3


def test_attempts_are_numbers_and_the_last_one_counts(store: Store) -> None:
    assert (store.attempts(ID), store.newest_run_file(ID), store.newest([ID])) == (0, None, {})
    paths = [add(store) for _ in range(10)]
    assert [path.name for path in paths[::9]] == [f"{ID}.json", f"{ID}.a10.json"]
    assert (store.attempts(ID), store.newest_run_file(ID)) == (10, paths[-1])
    add(store, 2)
    assert {key: item.name for key, item in store.newest([ID, "r-x"]).items()} == {ID: paths[-1].name}
    paths[-1].unlink()
    assert (store.attempts(ID), store.newest_run_file(ID)) == (9, paths[-2])


def test_other_files_are_no_attempts(store: Store) -> None:
    add(store)
    for name in (f"{ID}.a7.images.npz", f"{ID}", f"{ID}.a7.txt", f"{ID}.a7", f".{ID}.a7.json.1.tmp"):
        (store.root / "runs" / name).write_text("")
    assert store.attempts(ID) == 1
    (store.root / "runs" / f"{ID}.ax.json").write_text("")  # misplaced: `check` tells of it
    assert store.attempts(ID) == 1


# ------------------------------------------------------------------ reading


def problems(store: Store) -> list[tuple[str, str, str]]:
    return [(Path(str(one.file)).name, one.key, one.problem) for one in store.read().problems]


def test_a_copy_under_another_name_is_named_and_counts_for_nothing(store: Store) -> None:
    path = add(store)
    os.link(path, store.run_file(run_id(2)))
    assert [one.path for one in store.read().runs] == [path]
    assert problems(store) == [(f"{run_id(2)}.json", "", f"holds run {ID}, which is not its name")]
    (problem,) = store.read().problems
    assert (problem.code, problem.remedy) == (ExitCode.STORE, "rename it, or move it away")


def test_what_does_not_fit_is_named_with_its_place(store: Store) -> None:
    rewrite(add(store), history={"steps": ["x"]})
    rewrite(store.add_cost(cost(), "fake"), macs=None)
    rewrite(store.add_failure(failure(3)), state="slept")
    told = problems(store)
    assert [key for _, key, _ in told] == ["history.steps.0", "cost.macs", "state"]
    assert told[0][2] == "input should be a valid integer, unable to parse string as an integer"
    assert {one.code for one in store.read().problems} == {ExitCode.STORE}


def test_notes_of_another_system_are_not_read(store: Store) -> None:
    add(store)
    store.add_cost(cost(), "fake")
    store.save_sweep(sweep())
    for part in ("runs", "costs/fake", "sweeps"):
        (store.root / part / "._x.json").write_bytes(b"\x00\x05\x16\x07")
    (store.run_folder(ID)).mkdir(parents=True)
    (store.run_folder(ID) / "step-1.pt").write_bytes(sealed(b"abc"))
    assert store.read().problems == ()
    assert check(store) == ()


@pytest.mark.parametrize("part", ["runs", "costs", "sweeps"])
def test_a_folder_that_cannot_be_looked_into_is_named(store: Store, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    add(store)
    real = os.scandir

    def denied(path: Any) -> Any:
        if path == store.root / part:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert problems(store) == [(part, "", "cannot be looked into (Permission denied)")]


def test_a_record_is_the_first_attempt_unless_it_says_so(tmp_path: Path) -> None:
    assert Stored(record(), tmp_path, "local").attempt == 1


def test_the_configuration_of_the_examples_is_one(store: Store) -> None:
    """What these tests store is what they ask for."""
    add(store)
    assert [one.record.config for one in store.read().runs] == [CONFIG]
