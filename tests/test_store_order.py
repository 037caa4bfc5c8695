"""In which order a file gets onto the disk, call by call; and a claim whose lock was lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.spec import BenchError, ExitCode
from bench.store import claim, commit, durable, replace

CALLS = ("open", "write", "fsync", "link", "replace", "unlink", "mkdir", "close")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the program asks of the system, in order: `fsync x` is of the file or folder x."""
    told: list[str] = []
    names: dict[int, str] = {}

    def spy(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(first: Any, *others: Any, **words: Any) -> Any:
            what = names.get(first, "") if isinstance(first, int) else Path(first).name
            told.append(f"{name} {'temporary' if what.endswith('.tmp') else what}".replace(f" {tmp_path.name}", " top"))
            result = real(first, *others, **words)
            if name == "open":
                names[result] = what
            return result

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, spy(name))
    monkeypatch.setattr(durable, "_synced", set())
    return told


FILE = ["open temporary", "write temporary", "fsync temporary", "close temporary"]
FOLDER = ["open top", "fsync top", "close top"]


def test_a_file_that_is_replaced_is_whole_before_it_has_its_name(tmp_path: Path, calls: list[str]) -> None:
    replace(tmp_path / "a", b"1")
    calls.clear()
    replace(tmp_path / "a", b"22")
    assert calls == ["unlink temporary", *FILE, "replace temporary", *FOLDER]
    assert (tmp_path / "a").read_bytes() == b"22"


def test_a_file_that_is_committed_is_whole_before_it_has_its_name(tmp_path: Path, calls: list[str]) -> None:
    replace(tmp_path / "a", b"1")
    calls.clear()
    commit(tmp_path / "b", b"22")
    assert calls == ["unlink temporary", *FILE, "link temporary", "unlink temporary", *FOLDER]
    with pytest.raises(BenchError, match="cannot be written"):
        commit(tmp_path / "b", b"333")
    assert (tmp_path / "b").read_bytes() == b"22"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_new_folders_are_put_on_the_disk_with_those_above_them(tmp_path: Path, calls: list[str]) -> None:
    replace(tmp_path / "x" / "y" / "a", b"1")
    made = [call for call in calls if call.startswith(("mkdir", "fsync"))]
    assert made[:2] == ["mkdir x", "mkdir y"]
    assert {"fsync x", "fsync top"} <= set(made[2 : made.index("fsync temporary")])
    assert made[-1] == "fsync y"
    calls.clear()
    replace(tmp_path / "x" / "y" / "b", b"1")
    assert [call for call in calls if call.startswith(("mkdir", "fsync"))] == ["fsync temporary", "fsync y"]


@pytest.mark.parametrize("what", ["nothing was written", "less is there than was said"])
def test_a_disk_that_lies_is_refused_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    replace(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "write", lambda handle, content: 0 if what.startswith("nothing") else len(content))
    with pytest.raises(BenchError, match=r"cannot be written \(Input/output error\); check the path") as caught:
        replace(tmp_path / "a", b"new")
    assert (caught.value.code, caught.value.file) == (ExitCode.ENVIRONMENT, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "remedy"), [(errno.ENOSPC, "free"), (errno.EDQUOT, "free"), (errno.EFBIG, "free"), (errno.EIO, "check")]
)
def test_what_to_do_about_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BenchError, match=f"; {remedy} "):
        replace(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_syncs_no_folders_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def files_only(handle: int) -> None:
        if os.fstat(handle).st_mode & 0o040000:
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_temporary_files_of_the_living_and_the_dead(tmp_path: Path) -> None:
    assert not durable.is_stale(tmp_path / f".a.{os.getpid()}.tmp")
    assert not durable.is_stale(tmp_path / ".a.1.tmp")  # somebody else's, whom we may not signal, or ours as root
    for name in (".a.4194305.tmp", ".a.x.tmp", f".a.{10**30}.tmp"):
        assert durable.is_stale(tmp_path / name)


# ------------------------------------------------------------------ a lock that was lost

TRY = "import os, sys; h = os.open(sys.argv[1], os.O_RDWR); os.lockf(h, os.F_TLOCK, 0)"


def may_lock(path: Path) -> bool:
    """Whether another process gets the lock."""
    return subprocess.run([sys.executable, "-S", "-c", TRY, str(path)], capture_output=True).returncode == 0


def test_a_lock_that_was_lost_is_taken_again(tmp_path: Path) -> None:
    """Closing any handle of a file drops the locks a process has on it: that is how POSIX locks are."""
    lease = claim(tmp_path, "r-0123456789abcdef")
    assert lease is not None
    with lease:
        assert not may_lock(lease.path)
        os.close(os.open(lease.path, os.O_RDWR))
        assert may_lock(lease.path)
        lease.check()
        assert not may_lock(lease.path)
    assert may_lock(lease.path)
