"""A5, A6: a run belongs to one living process at a time; a dead one never blocks, and a live one is never robbed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.spec import BenchError, ExitCode
from bench.store import Store, claim, claimed, is_claimed, leases

ID = "r-0123456789abcdef"


def test_a_run_is_claimed_once(tmp_path: Path, script: Any, figure: Callable[..., None]) -> None:
    found = script("claiming.py", "race", tmp_path, 400)
    assert found["ended"] == [0] * 8
    assert (found["done"], found["twice"], found["held"]) == (400, 0, 0)
    figure("A5 claims, 8 processes x 400 runs", f"{found['claims']} claims, 400 runs done, 0 twice")


def test_looking_first_and_creating_then_is_caught(tmp_path: Path, script: Any, figure: Callable[..., None]) -> None:
    """Negative control of the test above."""
    found = script("claiming.py", "control", tmp_path, 400)
    assert found["twice"] > 0
    figure("A5 control: exists, then create", f"{found['twice']} of 400 runs done twice")


def test_a_dead_owner_blocks_nobody(tmp_path: Path, script: Any, figure: Callable[..., None]) -> None:
    """Not even while its children live; the control is the other kind of lock, which they would hold on."""
    found = script("claiming.py", "crashes", tmp_path, 50)
    assert found["free"] == 50
    assert found["free_control"] == 0
    figure(
        "A6 owner killed, its child alive", f"50 of 50 claimed at once; control (flock) {found['free_control']} of 50"
    )


def test_a_stopped_owner_is_not_robbed_and_a_late_one_refused(
    tmp_path: Path, script: Any, figure: Callable[..., None]
) -> None:
    found = script("claiming.py", "stopped", tmp_path, 1)
    assert (found["stolen"], found["is_claimed"]) == (False, True)
    assert found["late"].startswith(f"{int(ExitCode.STORE)} ")
    assert "claimed by another process" in found["late"]
    assert found["unchanged"]
    assert found["still_mine"]
    figure("A6 stopped owner", "not robbed; after its claim was removed, its late record is refused")


# ------------------------------------------------------------------ one process


def test_a_claim_is_given_back_and_its_number_rises(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    for number in (1, 2, 3):
        lease = store.claim(ID)
        assert lease is not None
        with lease:
            assert lease.number == number
            assert store.claim(ID) is None  # not even to the same process
            assert is_claimed(store.work, ID)
            assert claimed(store.work) == {ID}
            lease.check()
        assert not is_claimed(store.work, ID)
        lease.release()
    assert claimed(store.work) == frozenset()


def test_looking_at_claims_creates_nothing(tmp_path: Path) -> None:
    assert not is_claimed(tmp_path / ".bench", ID)
    assert claimed(tmp_path / ".bench") == frozenset()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_given_back_stores_nothing(tmp_path: Path) -> None:
    lease = claim(tmp_path, ID)
    assert lease is not None
    lease.release()
    with pytest.raises(BenchError, match="claimed by another process"):
        lease.check()


def test_a_claim_outlives_the_removal_of_its_file_while_nobody_else_has_it(tmp_path: Path) -> None:
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        lease.path.unlink()
        lease.check()
        lease.path.write_text("7 somebody else\n")
        with pytest.raises(BenchError, match="claimed by another process"):
            lease.check()


def test_a_claim_rewritten_where_nothing_locks_is_noticed(tmp_path: Path) -> None:
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        handle = os.open(lease.path, os.O_RDWR)
        os.pwrite(handle, b"2 1 elsewhere 00000000\n", 0)
        with pytest.raises(BenchError, match="claimed by another process"):
            lease.check()
        os.close(handle)


@pytest.mark.parametrize("content", ["", "x", "-3 1 a b", "9" * 150, "\x00" * 9])
def test_a_damaged_claim_is_claimed_like_any_other(tmp_path: Path, content: str) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / ID).write_text(content)
    lease = claim(tmp_path, ID)
    assert lease is not None
    with lease:
        assert lease.number >= 1
        lease.check()


def test_a_claim_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "sentinel").write_text("mine")
    (tmp_path / "claims" / ID).symlink_to(tmp_path / "sentinel")
    with pytest.raises(BenchError, match="cannot be claimed") as caught:
        claim(tmp_path, ID)
    assert caught.value.code == ExitCode.ENVIRONMENT
    assert (tmp_path / "sentinel").read_text() == "mine"


def test_a_file_system_that_does_not_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(leases.os, "lockf", none)
    with pytest.raises(BenchError, match=r"cannot be claimed \(No locks available\).*file system that locks"):
        claim(tmp_path, ID)
