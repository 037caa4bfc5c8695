"""Checkpoints: whole or not there, checked before they are parsed, the right one's, two kept."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import checkpoint
from bench.spec import BenchError

STATE = {"step": 3, "model": {"w": torch.arange(50.0)}, "journal": {"losses": {"a": [0.5]}, "best": None}}


def saved(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoint.save_step(folder, {**STATE, "step": step}, run_id="r-1", step=step)


def steps_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_state_comes_back(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    state = checkpoint.newest(tmp_path, run_id="r-1")
    assert state is not None
    assert (state["step"], state["journal"]) == (3, STATE["journal"])
    assert torch.equal(state["model"]["w"], torch.arange(50.0))


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 3, 20, 100)
    assert steps_in(tmp_path) == ["step-00000020.pt", "step-00000100.pt"]


def test_a_run_that_went_back_keeps_what_it_makes_now(tmp_path: Path) -> None:
    saved(tmp_path, 80, 90)
    saved(tmp_path, 10)
    assert steps_in(tmp_path) == ["step-00000010.pt"]


def test_torch_alone_would_not_notice(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(STATE, path)
    whole = bytearray(path.read_bytes())
    spot = whole.index(torch.arange(50.0).numpy().tobytes()) + 42
    whole[spot] ^= 1
    path.write_bytes(whole)
    assert not torch.equal(torch.load(path, weights_only=True)["model"]["w"], torch.arange(50.0))


def test_damaged_ones_give_way_to_the_one_before_with_one_warning(tmp_path: Path) -> None:
    saved(tmp_path, 3, 20)
    checkpoint.step_file(tmp_path, 20).write_bytes(b"<html>")
    checkpoint.step_file(tmp_path, 40).write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged") as told:
        state = checkpoint.newest(tmp_path, run_id="r-1")
    assert state is not None
    assert state["step"] == 3
    assert [str(w.message).partition(": ")[2] for w in told] == [
        "checkpoint is damaged (and 1 more); the one before it is used"
    ]
    saved(tmp_path, 60)
    assert [n for n in steps_in(tmp_path) if n.startswith("step")] == ["step-00000003.pt", "step-00000060.pt"]


def test_what_a_kill_has_left_is_removed(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    (tmp_path / ".step-00000004.pt.999999999.tmp").write_text("half")
    assert checkpoint.newest(tmp_path, run_id="r-1")
    assert steps_in(tmp_path) == ["step-00000003.pt"]


def test_a_checkpoint_is_for_its_own_run_only(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    with pytest.raises(BenchError, match="belongs to r-1, not to r-2"):
        checkpoint.load(checkpoint.step_file(tmp_path, 3), run_id="r-2")


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "none", run_id="r-1") is None


# ------------------------------------------------------------------ claims more than it holds


def signed(content: bytes) -> bytes:
    """A file that says of itself that it is whole."""
    return checkpoint._head("r-1", 1, content) + content


def packed(state: Any, *, squeeze: bool = False) -> bytes:
    plain, other = io.BytesIO(), io.BytesIO()
    torch.save(state, plain)
    if not squeeze:
        return plain.getvalue()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return other.getvalue()


def overlapping() -> bytes:
    """One run of bytes listed as two entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data/0", b"x" * 5000)
        archive.filelist *= 2
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed({"w": torch.zeros(1).expand(10**6, 10**6)}), "claims more than its bytes hold"),
        (packed({"a": [{"w": (torch.zeros(1).expand(2, 2),)}]}), "claims more than its bytes hold"),
        (packed({"w": torch.zeros(10**6)}, squeeze=True), "claims more than its bytes hold"),
        (overlapping(), "claims more than its bytes hold"),
        (b"not an archive", "claims more than its bytes hold"),
        (packed([1, 2]), "claims more than its bytes hold"),
        (packed({"f": Path("x")}), "cannot be read"),
    ],
    ids=["spread", "spread within", "squeezed", "overlapping", "no archive", "no dict", "an object"],
)
def test_no_more_is_claimed_than_is_there(
    tmp_path: Path, figure: Callable[[str, str], None], content: bytes, words: str
) -> None:
    path = tmp_path / "step-00000001.pt"
    path.write_bytes(signed(content))
    with pytest.raises(BenchError, match=words):
        checkpoint.load(path, run_id="r-1")
    figure("F2 checkpoints that claim too much", "refused before their tensors are used")


def test_torch_alone_would_take_them() -> None:
    for content in (packed({"w": torch.zeros(1).expand(10**6, 10**6)}), packed({"w": torch.zeros(9)}, squeeze=True)):
        assert torch.load(io.BytesIO(content), weights_only=True)


def test_an_honest_state_is_taken(tmp_path: Path) -> None:
    shared = torch.arange(12.0)
    state = {"a": shared[:5], "b": shared.view(3, 4).t(), "c": torch.zeros(0), "d": torch.tensor(1), "e": shared}
    checkpoint.save(tmp_path / "x.pt", state, run_id="r-1", step=1)
    back = checkpoint.load(tmp_path / "x.pt", run_id="r-1")
    assert all(torch.equal(back[key], state[key]) for key in state)


OWN = {"w": torch.ones(2, 3), "n": torch.tensor(4)}


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        ({"w": torch.ones(2, 3)}, "another model"),
        ({**OWN, "more": torch.ones(1)}, "another model"),
        ({**OWN, "w": torch.ones(2, 4)}, "another shape or precision at w"),
        ({**OWN, "w": torch.ones(2, 3, dtype=torch.float64)}, "another shape or precision at w"),
        ({**OWN, "w": torch.full((2, 3), float("nan"))}, "not finite at w"),
        ({**OWN, "w": torch.full((2, 3), float("inf"))}, "not finite at w"),
        ({**OWN, "w": 3}, "another shape or precision at w"),
        (None, "another model"),
    ],
)
def test_weights_of_something_else_are_refused(saved: Any, words: str) -> None:
    assert words in (checkpoint.misfit(saved, OWN) or "")
    assert checkpoint.misfit(dict(OWN), OWN) is None
