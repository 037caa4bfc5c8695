"""Claims in one process: what a claim's file says, who may store, and that nothing stays open or locked."""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import faults
from bench.spec import BenchError, ExitCode
from bench.store import claim, claimed, is_claimed, leases

ID = "r-0123456789abcdef"
HOLD = "import os, sys; h = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); os.lockf(h, os.F_TLOCK, 0); print(flush=True)"
TRY = "import os, sys; h = os.open(sys.argv[1], os.O_RDWR); os.lseek(h, 9, 0); os.lockf(h, os.F_TLOCK, 0)"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[None]:
    """Another process has the run."""
    (tmp_path / "claims").mkdir()
    words = [sys.executable, "-I", "-S", "-c", f"{HOLD}; sys.stdin.read()", str(tmp_path / "claims" / ID)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield
        other.communicate()


def free(path: Path) -> bool:
    """Whether another process gets the lock, of anything behind the first bytes."""
    return subprocess.run([sys.executable, "-I", "-S", "-c", TRY, str(path)], capture_output=True).returncode == 0


@pytest.mark.usefixtures("held")
def test_what_another_process_has_is_claimed(tmp_path: Path, open_files: Callable[[], int]) -> None:
    before = open_files()
    assert claim(tmp_path, ID) is None
    assert is_claimed(tmp_path, ID) is True
    assert claimed(tmp_path) == {ID}
    assert open_files() == before


@pytest.mark.usefixtures("held")
def test_a_link_to_a_claim_is_none(tmp_path: Path) -> None:
    (tmp_path / "claims" / "r-1").symlink_to(ID)
    assert is_claimed(tmp_path, "r-1") is False


def test_a_claim_says_its_number_and_who_made_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        lease = claim(tmp_path, ID)
    finally:
        os.umask(before)
    assert lease is not None
    with lease as same:
        assert same is lease
        text = lease.path.read_text()
        assert re.fullmatch(rf"1 {os.getpid()} {re.escape(platform.node())} [0-9a-f]{{16}}\n", text)
    assert lease.path == tmp_path / "claims" / ID
    assert lease.path.stat().st_mode & 0o777 == 0o644


def test_all_of_the_file_is_locked_and_nothing_afterwards(tmp_path: Path, open_files: Callable[[], int]) -> None:
    before = open_files()
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        assert open_files() == before + 1
        assert not free(lease.path)
        assert is_claimed(tmp_path, ID) is True
        assert claim(tmp_path, ID) is None
        assert not free(lease.path)
    assert free(lease.path)
    assert is_claimed(tmp_path, ID) is False
    assert open_files() == before


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("", 1),
        ("7 somebody else\n", 8),
        ("999999999999999999 x", 10**18),
        ("9999999999999999999 x", 1),
        ("-3 x", 1),
        (" 3 x", 1),
        ("x 3", 1),
        ("3x ", 1),
        ("1" * 150, 1),
    ],
)
def test_the_number_rises_from_what_is_there(tmp_path: Path, content: str, number: int) -> None:
    """A number of more than 18 digits is none; what is longer than the new note is gone."""
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / ID).write_text(content)
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        lease.check()
        assert lease.number == number
    assert re.fullmatch(rf"{number} \d+ \S* [0-9a-f]{{16}}\n", lease.path.read_text())


def late(lease: leases.Lease) -> BenchError:
    with pytest.raises(BenchError) as caught:
        lease.check()
    return caught.value


def test_a_claim_that_lies_elsewhere_now_is_lost(tmp_path: Path) -> None:
    """Though a link leads to it."""
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        lease.path.rename(tmp_path / "away")
        lease.check()  # nobody has claimed it since
        lease.path.symlink_to(tmp_path / "away")
        told = late(lease)
    assert (told.code, told.file) == (ExitCode.STORE, lease.path)
    assert "what this one made of it is not stored; keep .bench/ while a sweep runs" in str(told)


def test_a_lock_that_another_process_took_is_lost(tmp_path: Path) -> None:
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        os.close(os.open(lease.path, os.O_RDWR))  # POSIX: that drops the lock
        words = [sys.executable, "-I", "-S", "-c", f"{HOLD}; sys.stdin.read()", str(lease.path)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert "claimed by another process" in str(late(lease))
            other.communicate()


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EIO])
def test_a_file_system_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_files: Callable[[], int], error: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease, monkeypatch.context() as patched:
        patched.setattr(os, "lockf", fail)
        told = late(lease)
    assert told.code == ExitCode.ENVIRONMENT
    assert str(told).endswith(f"cannot be claimed ({os.strerror(error)}); free some space, or put .bench/ on a file"
                              " system that locks")  # fmt: skip
    before = open_files()
    monkeypatch.setattr(os, "lockf", fail)
    assert is_claimed(tmp_path, ID) is False
    with pytest.raises(BenchError, match="cannot be claimed"):
        claim(tmp_path, ID)
    assert open_files() == before


def test_a_claim_that_cannot_be_written_down_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_files: Callable[[], int]
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = open_files()
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(BenchError, match=r"No space left on device.*free some space") as caught:
            claim(tmp_path, ID)
    assert (caught.value.code, caught.value.file) == (ExitCode.ENVIRONMENT, tmp_path / "claims" / ID)
    assert open_files() == before
    again = claim(tmp_path, ID)
    assert again is not None
    again.release()


def test_a_file_removed_between_opening_and_locking_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_files: Callable[[], int]
) -> None:
    real, first = os.lockf, [True]

    def removed(handle: int, command: int, length: int) -> None:
        real(handle, command, length)
        if first.pop():
            (tmp_path / "claims" / ID).unlink()
            first.append(False)
        else:
            first.append(False)

    monkeypatch.setattr(os, "lockf", removed)
    before = open_files()
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        assert lease.path.read_text().startswith("1 ")
        assert open_files() == before + 1


def test_the_places_where_tests_let_it_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(faults, "at", passed.append)
    lease = claim(tmp_path, ID)
    assert lease is not None
    lease.release()
    assert passed[-2:] == ["claim.taken", "claim.released"]


def test_a_child_claims_for_itself(tmp_path: Path) -> None:
    """What was claimed before a fork is the parent's: the child is told that it is taken, and may claim other runs."""
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        child = os.fork()
        if child == 0:
            other = claim(tmp_path, "r-1")
            wrong = claim(tmp_path, ID) is not None or not is_claimed(tmp_path, ID) or other is None
            os._exit(int(wrong))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        lease.check()


def test_no_claims_are_none(tmp_path: Path) -> None:
    assert is_claimed(tmp_path, ID) is False
    assert claimed(tmp_path) == frozenset()
    assert list(tmp_path.iterdir()) == []
