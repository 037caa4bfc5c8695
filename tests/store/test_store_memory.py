"""What is remembered of files, and of which code and data records were made with."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from store_examples import CONFIG, ID, add, run_id

from bench.spec import BenchError, ExitCode, RunConfig
from bench.store import Made, Memory, Store, agreeing, files, made, mark, memory, parse
from bench.store.memory import settled


def stat(content: int = 0, entry: int = 0) -> Any:
    return SimpleNamespace(st_mtime_ns=content, st_ctime_ns=entry, st_size=7, st_ino=9)


def test_a_mark_names_times_size_and_place(tmp_path: Path) -> None:
    assert mark(stat(11, 12)) == "11 12 7 9"


@pytest.mark.parametrize("newest", [stat(10**18, 5), stat(5, 10**18)], ids=["content", "entry"])
def test_a_file_is_settled_after_more_than_two_seconds(newest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for later, is_settled in ((0, False), (2 * 10**9, False), (2 * 10**9 + 1024, True)):
        monkeypatch.setattr(time, "time_ns", lambda later=later: 10**18 + later)
        assert settled(newest) is is_settled


def test_a_value_comes_back_under_its_mark_only(tmp_path: Path) -> None:
    one = Memory(tmp_path / "x.json")
    one.learn("a", "m", {"v": [1]})
    assert one.recall("a", "m") == {"v": [1]}
    assert (one.recall("a", "n"), one.recall("b", "m")) == (None, None)
    one.save()
    assert Memory(tmp_path / "x.json").recall("a", "m") == {"v": [1]}


def test_entries_of_another_shape_are_forgotten(tmp_path: Path) -> None:
    shapes = {"short": ["m"], "long": ["m", 1, 2], "text": "mv", "object": {"0": "m", "1": 2}, "none": None, "no": 7}
    (tmp_path / "x.json").write_bytes(files.layout({key: files.canonical(value) for key, value in shapes.items()}))
    one = Memory(tmp_path / "x.json")
    assert [one.recall(name, "m") for name in shapes] == [None] * len(shapes)


def test_only_what_was_learnt_is_written_and_no_folder_is_made(tmp_path: Path) -> None:
    Memory(tmp_path / "x.json").save()
    elsewhere = Memory(tmp_path / "new" / "x.json")
    elsewhere.learn("a", "m", 1)
    elsewhere.save()
    without = Memory()
    without.learn("a", "m", 1)
    without.save()
    assert without.recall("a", "m") == 1
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ what records were made with


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the records that are read; files are settled at once."""
    found: list[str] = []
    monkeypatch.setattr(memory, "SETTLED_S", -1.0)

    def read(path: Path) -> dict[str, Any]:
        found.append(path.name)
        return parse(path)

    monkeypatch.setattr(agreeing, "parse", read)
    return found


CODE, DATA = {"m": "11"}, {"d/a": "22"}


@pytest.fixture
def two(store: Store) -> Store:
    """Two records made alike, and one that was not."""
    store.work.mkdir(exist_ok=True)
    for number in (1, 2):
        add(store, number, code=CODE, data_digests=DATA)
    add(store, 3, code={"m": "12"}, data_digests=DATA)
    return store


ASKED = {run_id(number): CONFIG for number in (1, 2, 3, 4)}


def test_what_records_were_made_with_is_read_once(two: Store, reads: list[str]) -> None:
    for _ in range(2):
        found = made(two, ASKED)
        assert found == {
            run_id(1): Made(True, CODE, DATA),
            run_id(2): Made(True, CODE, DATA),
            run_id(3): Made(True, {"m": "12"}, DATA),
        }
        assert found[run_id(1)] is found[run_id(2)]  # compared with today once
    assert sorted(reads) == [f"{run_id(number)}.json" for number in (1, 2, 3)]


def test_what_was_asked_for_decides_and_not_what_else_is_there(two: Store, reads: list[str]) -> None:
    other = CONFIG.model_copy(update={"steps": 4})
    assert made(two, {ID: CONFIG, run_id(2): other}) == {ID: Made(True, CODE, DATA), run_id(2): Made(False, CODE, DATA)}
    assert made(two, {ID: other, run_id(2): CONFIG}) == {ID: Made(False, CODE, DATA), run_id(2): Made(True, CODE, DATA)}


def test_nothing_new_is_not_written_again(two: Store, reads: list[str]) -> None:
    made(two, ASKED)
    before = (two.work / "configs.json").stat().st_ino
    made(two, dict.fromkeys(ASKED, CONFIG.model_copy(update={"steps": 4})))
    assert len(reads) == 6
    assert (two.work / "configs.json").stat().st_ino == before


def entries(two: Store) -> dict[str, Any]:
    return parse(two.work / "configs.json")


def test_a_memory_that_lacks_or_changes_what_many_were_made_with_is_mended(two: Store, reads: list[str]) -> None:
    wanted = made(two, ASKED)
    whole = entries(two)
    keys = sorted(key for key in whole if key.startswith("made "))
    assert len(keys) == 2
    for spoilt in (
        {key: value for key, value in whole.items() if key not in keys},
        {**whole, keys[0]: whole[keys[1]]},
        {**whole, keys[0]: ["", {"code": {"m": "13"}, "data": {}}]},
        {**whole, keys[0]: ["", 7]},
        {**whole, f"{ID}.json": [whole[f"{ID}.json"][0], {"not": "text"}]},
    ):
        file = files.layout({key: files.canonical(value) for key, value in spoilt.items()})
        (two.work / "configs.json").write_bytes(file)
        assert made(two, ASKED) == wanted
        assert entries(two) == whole


def test_a_record_whose_configuration_fits_no_more_is_not_remembered(two: Store, reads: list[str]) -> None:
    path = two.run_file(ID)
    plain = parse(path)
    plain["config"]["steps"] = "many"
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))
    for _ in range(2):
        assert made(two, {ID: CONFIG}) == {ID: Made(False, CODE, DATA)}
    assert len(reads) == 2
    assert not (two.work / "configs.json").exists()


def test_a_record_that_is_a_link_to_nowhere_is_named(two: Store) -> None:
    two.run_file(ID).unlink()
    two.run_file(ID).symlink_to("nowhere")
    problem = made(two, {ID: CONFIG})[ID]
    assert isinstance(problem, BenchError)
    assert "is a symbolic link" in str(problem)


@pytest.mark.parametrize(
    "changes",
    [{"code": None}, {"code": {"m": 1}}, {"data_digests": {"d/a": 1}}, {"data_digests": []}, {"code": ["m"]}],
    ids=str,
)
def test_what_is_no_record_is_named(two: Store, changes: dict[str, Any]) -> None:
    path = two.run_file(ID)
    plain = {**json.loads(path.read_bytes()), **changes}
    del plain["sha256"]
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))
    problem = made(two, {ID: CONFIG})[ID]
    assert isinstance(problem, BenchError)
    assert (problem.problem, problem.code, problem.file) == ("is no record of a run", ExitCode.STORE, path)


def test_a_configuration_is_compared_as_a_record_holds_it() -> None:
    plain = agreeing.plain(CONFIG)
    assert plain == json.loads(json.dumps(plain))
    assert RunConfig.model_validate(plain) == CONFIG


def test_the_file_is_where_the_documentation_says(two: Store, reads: list[str]) -> None:
    made(two, ASKED)
    assert sorted(os.listdir(two.work)) == ["configs.json"]
