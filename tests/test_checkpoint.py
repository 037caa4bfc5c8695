"""Checkpoints: whole or not there, checked before they are parsed, two kept."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from bench import checkpoint
from bench.spec import BenchError

STATE = {"step": 3, "model": {"w": torch.arange(50.0)}, "journal": {"losses": {"a": [0.5]}, "best": None}}


def saved(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoint.save_step(folder, {**STATE, "step": step}, run_id="r-1", step=step)


def test_a_state_comes_back(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    state = checkpoint.newest(tmp_path, run_id="r-1")
    assert state is not None
    assert (state["step"], state["journal"]) == (3, STATE["journal"])
    assert torch.equal(state["model"]["w"], torch.arange(50.0))


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 3, 20, 100)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000020.pt", "step-00000100.pt"]


def test_every_flipped_bit_is_noticed_before_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, 3)
    path = checkpoint.step_file(tmp_path, 3)
    whole = path.read_bytes()
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed damaged bytes"))
    drawn = random.Random(0)
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[drawn.randrange(whole.index(b"\n"), len(whole))] ^= 1 << drawn.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(BenchError, match="damaged"):
            checkpoint.load(path, run_id="r-1")
    for length in (0, 1, 50, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BenchError, match="damaged"):
            checkpoint.load(path, run_id="r-1")


def test_torch_alone_would_not_notice(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(STATE, path)
    whole = bytearray(path.read_bytes())
    spot = whole.index(torch.arange(50.0).numpy().tobytes()) + 42
    whole[spot] ^= 1
    path.write_bytes(whole)
    assert not torch.equal(torch.load(path, weights_only=True)["model"]["w"], torch.arange(50.0))


def test_a_damaged_newest_gives_way_to_the_one_before_with_a_warning(tmp_path: Path) -> None:
    saved(tmp_path, 3, 20)
    checkpoint.step_file(tmp_path, 20).write_bytes(b"<html>")
    with pytest.warns(UserWarning, match="damaged.*the one before it is used"):
        state = checkpoint.newest(tmp_path, run_id="r-1")
    assert state is not None
    assert state["step"] == 3


def test_a_checkpoint_is_for_its_own_run_only(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    with pytest.raises(BenchError, match="belongs to r-1, not to r-2"):
        checkpoint.load(checkpoint.step_file(tmp_path, 3), run_id="r-2")


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "none", run_id="r-1") is None
