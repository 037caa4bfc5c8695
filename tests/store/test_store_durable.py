"""What a write leaves behind: fault points passed, folders put on the disk, modes, and nothing after a fault."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import faults
from bench.spec import BenchError, ExitCode
from bench.store import commit, durable, replace
from bench.store.durable import is_stale, make_folders, refuse_links, sync_folder

STEPS = ("tmp_open", "written", "fsynced", "renamed", "dirsynced", "acked")
Write = Callable[..., None]


@pytest.mark.parametrize("write", [commit, replace])
def test_the_places_where_tests_let_it_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    passed: list[str] = []
    monkeypatch.setattr(faults, "at", passed.append)
    write(tmp_path / "a", b"1")
    write(tmp_path / "b", b"1", "checkpoint")
    assert passed == [f"{points}.{step}" for points in ("store", "checkpoint") for step in STEPS]


@pytest.mark.parametrize("write", [commit, replace])
def test_a_file_may_be_read_by_all_and_written_by_its_owner(tmp_path: Path, write: Write) -> None:
    before = os.umask(0)
    try:
        write(tmp_path / "a", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("write", [commit, replace])
def test_what_an_earlier_process_of_the_same_number_left_is_no_hindrance(tmp_path: Path, write: Write) -> None:
    (tmp_path / f".a.{os.getpid()}.tmp").write_bytes(b"half")
    write(tmp_path / "a", b"1")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"1")]


def test_nothing_is_left_where_a_folder_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for write in (commit, replace):
        with pytest.raises(BenchError, match="cannot be written") as caught:
            write(tmp_path / "a", b"1")
        assert (caught.value.code, caught.value.file) == (ExitCode.ENVIRONMENT, tmp_path / "a")
        assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_break_just_after_the_rename_stays_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file has gone by then, which is no second fault."""
    real = os.replace

    def broken_off(*names: Any) -> None:
        real(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", broken_off)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_disk_that_loses_the_file_while_it_is_full_is_still_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        (tmp_path / f".a.{os.getpid()}.tmp").unlink()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(BenchError, match="No space left on device"):
        commit(tmp_path / "a", b"1")


@pytest.mark.parametrize("write", [commit, replace])
def test_no_file_stays_open(tmp_path: Path, open_files: Callable[[], int], write: Write) -> None:
    before = open_files()
    write(tmp_path / "x" / "a", b"1")
    sync_folder(tmp_path)
    assert open_files() == before


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that are put on the disk."""
    found: list[str] = []
    monkeypatch.setattr(durable, "sync_folder", lambda folder: found.append(folder.name))
    monkeypatch.setattr(durable, "_synced", set())
    return found


def test_as_many_folders_are_synced_as_this_program_makes(tmp_path: Path, synced: list[str]) -> None:
    """results/costs/<device>/: the file's own folder with the file, three above it once."""
    (tmp_path / "a/b/c/d/e").mkdir(parents=True)
    make_folders(tmp_path / "a/b/c/d/e")
    assert synced == ["d", "c", "b"]
    make_folders(tmp_path / "a/b/c/d/e")
    assert len(synced) == 3


def test_all_that_was_missing_is_synced_and_again_when_it_has_gone(tmp_path: Path, synced: list[str]) -> None:
    for _ in range(2):
        make_folders(tmp_path / "a/b/c/d/e")
        assert (tmp_path / "a/b/c/d/e").is_dir()
        assert synced == ["d", "c", "b", "a", tmp_path.name]
        synced.clear()
        for path in ("a/b/c/d/e", "a/b/c/d", "a/b/c", "a/b", "a"):
            (tmp_path / path).rmdir()


def test_a_folder_that_somebody_makes_meanwhile_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def late(self: Path, *args: Any, **words: Any) -> None:
        if not self.exists():
            real(self)
        real(self, *args, **words)

    monkeypatch.setattr(Path, "mkdir", late)
    make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(("code", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_only_a_file_system_that_cannot_sync_folders_may_refuse_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_files: Callable[[], int], code: int, passes: bool
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    before = open_files()
    if passes:
        sync_folder(tmp_path)
    else:
        with pytest.raises(OSError, match="Input/output error"):
            sync_folder(tmp_path)
    assert open_files() == before


def test_links_below_the_top_are_refused_and_above_it_are_not_our_matter(tmp_path: Path) -> None:
    (tmp_path / "real" / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "link").symlink_to("in")
    for top, path in (("link", "link/in/x"), ("real", "real/in/x"), ("link", "link"), ("other", "real/in/x")):
        assert refuse_links(tmp_path / top, tmp_path / path) == tmp_path / path
    for path in ("real/link", "real/link/x", "real/link/x/y"):
        with pytest.raises(BenchError, match="is a symbolic link") as caught:
            refuse_links(tmp_path / "real", tmp_path / path)
        assert (caught.value.file, caught.value.code) == (tmp_path / "real" / "link", ExitCode.STORE)


def test_whose_temporary_file_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        asked.append((pid, number))
        if pid == 2:
            raise PermissionError
        if pid == 3:
            raise ProcessLookupError

    monkeypatch.setattr(os, "kill", kill)
    wanted = {".a.1.tmp": False, ".a.2.tmp": False, ".a.3.tmp": True, ".a.x.tmp": True, ".5.a.4.tmp": False}
    assert {name: is_stale(tmp_path / name) for name in wanted} == wanted
    assert asked == [(1, 0), (2, 0), (3, 0), (4, 0)]
