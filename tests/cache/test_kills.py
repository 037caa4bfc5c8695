"""A build killed at every call that changes the disk, and one that runs out of room: nothing half-written is read."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trees import dataset, tree

from bench.cache import stored_split
from bench.spec import BenchError, ExitCode


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    here = Path(__file__).parent
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)])}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(here / "every_point.py"), str(tmp_path_factory.mktemp("kills"))],
        capture_output=True,
        text=True,
        env=surroundings,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["whole", "half"])
def test_after_a_kill_at_any_call_building_goes_on(told: dict[str, Any], kind: str) -> None:
    """Five images: the folder, two arrays, a journal, ten rows, five lines, and the way to the final name."""
    *killed, finished = told[kind]
    assert len(killed) == (30 if kind == "whole" else 18)
    assert {one["ended"] for one in killed} == {-signal.SIGKILL}
    assert finished["ended"] == 0
    assert all(one["good"] for one in (*killed, finished))
    decoded = [one["decoded"] for one in killed]
    assert sorted(decoded, reverse=True)[0] == 5
    assert decoded[-1] == (0 if kind == "whole" else 2), "half a line is no line"
    assert decoded == sorted(decoded, reverse=True), "the later the kill, the less is left to do"


def test_after_a_kill_in_an_update_nothing_is_lost(told: dict[str, Any]) -> None:
    *killed, finished = told["update"]
    assert len(killed) > 30
    assert {one["ended"] for one in killed} == {-signal.SIGKILL}
    assert all(one["good"] for one in (*killed, finished))
    assert max(one["decoded"] for one in (*killed, finished)) <= 2, "the one that has changed, and one for the size"


def test_nothing_is_left_lying_about(told: dict[str, Any]) -> None:
    assert {tuple(one["left"]) for kind in ("whole", "half", "update") for one in told[kind]} == {(".lock",)}


def test_the_kills_see_a_line_written_before_its_row(told: dict[str, Any]) -> None:
    assert told["control"]


@pytest.mark.parametrize("limit", ["700", "2900"])
def test_without_room_there_is_one_error_and_no_rest(told: dict[str, Any], limit: str) -> None:
    found = told["room"][limit]
    assert found["ended"] == 0
    assert found["told"].startswith("ENVIRONMENT ")
    assert "cannot be written (File too large); free some space" in found["told"]
    assert "images.npy: " in found["told"]
    assert found["left"] == [".lock"]
    assert found["good"]


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fsync", "write"])
def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    root, real, calls = tree(tmp_path / "data"), getattr(os, call), []

    def full(*args: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(BenchError, match=r"cannot be written \(No space left on device\); free some space") as caught:
        stored_split(dataset(root), tmp_path / "cache")
    assert caught.value.code is ExitCode.ENVIRONMENT
    assert str(caught.value.file).startswith(str(tmp_path / "cache"))
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    monkeypatch.undo()
    assert len(stored_split(dataset(root), tmp_path / "cache")) == 6


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, pwrite, write = tree(tmp_path / "data"), os.pwrite, os.write
    monkeypatch.setattr(os, "pwrite", lambda file, part, at: pwrite(file, bytes(part[:50]), at))
    monkeypatch.setattr(os, "write", lambda file, part: write(file, bytes(part[:50])))
    short = stored_split(dataset(root), tmp_path / "short")
    monkeypatch.undo()
    whole = stored_split(dataset(root), tmp_path / "whole")
    assert short.images.equal(whole.images)
    assert short.labels.equal(whole.labels)


def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(BenchError, match=r"cannot be written \((File exists|Not a directory)\); check the path"):
        stored_split(dataset(tree(tmp_path / "data")), tmp_path / "cache")
