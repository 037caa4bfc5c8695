"""Checkpoints and what goes on from them: killed anywhere, a run ends with the numbers of one that was not."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from children import _plugin, command, fault, in_processes, inline, numbers, started, tiny  # noqa: F401

from bench import checkpoint
from bench.methods import METHODS
from bench.run.place import Place
from bench.spec import Failure, RunRecord
from bench.store import Store

Figure = Callable[[str, str], None]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(store=Store(tmp_path / "results"), sweep="test", workers=1)


# ------------------------------------------------------------------ saving


def killed(folder: Path, kills: int, *, atomic: bool, seed: int = 0) -> tuple[int, int]:
    """(kills after which nothing valid was there, kills after which it was older than what was acknowledged)."""
    drawn, unloadable, older = random.Random(seed), 0, 0
    folder.mkdir()
    for _ in range(kills):
        before = (folder / "acks").stat().st_size if (folder / "acks").exists() else 0
        with started({"save": str(folder), "atomic": atomic}, folder / "log") as child:
            until: list[float] = []

            def enough(child: Any = child, before: int = before, until: list[float] = until) -> bool:
                """Kill some time after the first save of this life; that far no kill can have come too early."""
                if child.pid and (folder / "acks").exists() and (folder / "acks").stat().st_size > before:
                    time.sleep(drawn.uniform(0.0, 0.12))
                    child._send(9)
                return False

            for _ in child.events(enough, 60):
                pass
        acked = int((folder / "acks").read_text().split()[-1])
        found = newest(folder) if atomic else in_place(folder)
        unloadable += found is None
        older += found is not None and found < acked
    return unloadable, older


def newest(folder: Path) -> int | None:
    state = checkpoint.newest(folder, run_id="r-1")
    if state is None or not bool((state["model"]["w"] == state["step"]).all()):
        return None
    return int(state["step"])


def in_place(folder: Path) -> int | None:
    try:
        state = torch.load(folder / "last.pt", weights_only=True)
        return int(state["step"]) if bool((state["model"]["w"] == state["step"]).all()) else None
    except Exception:
        return None


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.card)])
def test_a_kill_while_saving_leaves_what_was_acknowledged(tmp_path: Path, figure: Figure, kills: int) -> None:
    assert killed(tmp_path / "atomic", kills, atomic=True) == (0, 0)
    broken, _ = killed(tmp_path / "in_place", max(6, kills // 4), atomic=False)
    assert broken >= max(6, kills // 4) // 3, "the kills must come while something is written"
    figure("B1 kills while saving", f"{kills} kills, 0 unloadable, 0 older than acknowledged")
    figure("B1 control: torch.save over one file", f"{broken} of {max(6, kills // 4)} unloadable")


POINTS = [f"ckpt.{point}" for point in ("tmp_open", "written", "fsynced", "renamed", "dirsynced", "acked")]


SAVING: dict[str, Any] = {"steps": 8, "evaluate_every": 4, "choose": "source_val"}


def killed_at(point: str, nth: int, place: Place, expected: dict[str, Any]) -> bool:
    """Whether a run killed there leaves a valid checkpoint (once it had one) and ends with the `expected` numbers."""
    run = tiny(**SAVING)
    keeps = replace(place, store=Store(place.store.root / f"{point}-{nth}"), checkpoint_s=-1.0)
    (failure,) = in_processes([run], keeps, {run.run_id: fault(f"{point}:{nth}:kill")})
    assert isinstance(failure, Failure), (point, nth)
    assert failure.state == "died"
    folder = keeps.store.run_folder(run.run_id)
    valid = []
    for path in folder.glob("step-*.pt"):
        checkpoint.load(path, run_id=run.run_id)  # no file of that name is ever anything but whole
        valid.append(path)
    assert len(valid) >= min(nth - 1, 1), (point, nth)
    (record,) = in_processes([run], keeps)
    assert isinstance(record, RunRecord)
    assert len(record.resumed_at) == bool(valid), (point, nth)
    assert not [p for p in folder.iterdir() if p.suffix == ".tmp"]
    return numbers(record) == expected


@pytest.mark.parametrize("point", POINTS[1:4:2])
def test_the_newest_valid_checkpoint_outlives_a_kill(place: Place, point: str) -> None:
    expected = numbers(inline(tiny(**SAVING), replace(place, store=Store(place.store.root / "whole"))))
    assert killed_at(point, 2, place, expected)


@pytest.mark.parametrize(
    "times", [pytest.param((1, 3), marks=pytest.mark.fault), pytest.param(range(1, 9), marks=pytest.mark.card)]
)
def test_every_point_of_saving_and_dropping_leaves_a_valid_checkpoint(
    place: Place, figure: Figure, times: Sequence[int]
) -> None:
    """The third save is the first after which one is dropped; the fourth and the last are of the best weights."""
    expected = numbers(inline(tiny(**SAVING), replace(place, store=Store(place.store.root / "whole"))))
    found = [killed_at(point, nth, place, expected) for point in POINTS for nth in times]
    assert all(found)
    figure("B3 kill points of saving and dropping", f"{len(found)} of {len(found)} left a valid checkpoint")


def test_dropping_before_saving_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same enumeration, within a process, over a variant that makes room first."""

    class Killed(BaseException):
        pass

    def survives(save: Callable[..., Any], folder: Path) -> bool:
        for step in (1, 2):
            checkpoint.save_step(folder, {"step": step}, run_id="r-1", step=step)

        def die(*_: Any, **__: Any) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(checkpoint, "replace", die)
            with pytest.raises(Killed):
                save(folder, {"step": 3}, run_id="r-1", step=3)
        return checkpoint.newest(folder, run_id="r-1") is not None

    def first_drops(folder: Path, state: Any, **words: Any) -> None:
        for old in folder.glob("step-*.pt"):
            old.unlink()
        checkpoint.save_step(folder, state, **words)

    assert survives(checkpoint.save_step, tmp_path / "a")
    assert not survives(first_drops, tmp_path / "b")


# ------------------------------------------------------------------ damage


def damage(path: Path, flips: int, cuts: int) -> list[bytes]:
    """Contents with one bit flipped, contents cut short, and six that are something else."""
    whole, drawn = path.read_bytes(), random.Random(0)
    found = []
    for _ in range(flips):
        flipped = bytearray(whole)
        flipped[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
        found.append(bytes(flipped))
    found += [whole[: drawn.randrange(len(whole))] for _ in range(cuts)]
    head, _, rest = whole.partition(b"\n")
    swapped = head.replace(b'"sha256": "', b'"sha256": "0')[: len(head)] + b"\n" + rest
    missing = head.replace(b"sha256", b"sha255") + b"\n" + rest
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    return [*found, swapped, missing, pointer, b"", b"<html>\nno</html>", b"[" * 100_000]


def test_all_damage_is_noticed_before_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Figure) -> None:
    state = {"step": 3, "model": {"w": torch.arange(20_000.0)}, "journal": {"losses": {"a": [0.5]}}}
    checkpoint.save_step(tmp_path, state, run_id="r-1", step=3)
    path = checkpoint.step_file(tmp_path, 3)
    contents, load = damage(path, 300, 200), torch.load
    alone = 0
    for content in contents[:300]:  # what torch says of the flipped ones, for comparison
        path.write_bytes(content.partition(b"\n")[2])
        try:
            alone += bool((load(path, weights_only=True)["model"]["w"] == state["model"]["w"]).all())  # type: ignore[index]
        except Exception:
            alone += 1
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed damaged bytes"))
    noticed = 0
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(checkpoint.BenchError, match="damaged"):
            checkpoint.load(path, run_id="r-1")
        noticed += 1
    assert noticed == len(contents) == 506
    assert alone < 100, "torch alone passes most of them on"
    figure(
        "B2 bit flips, cuts and other files noticed before parsing", f"300/300, 200/200, 6/6 (torch alone: {alone}/300)"
    )


# ------------------------------------------------------------------ going on

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "augmented": {"augment": ["flip", "rotate90", "color_jitter"]},
    "sampled": {"sampler": "class_balanced"},
    "recipe": {
        "accumulate": 2,
        "ema": 0.9,
        "precision": "auto",
        "deterministic": True,
        "warmup_steps": 4,
        "groups": {"name": "by_stage", "frozen": ["stem"], "thaw": 0.5},
    },
    "looked at": {"evaluate_every": 3, "choose": "source_val", "optimizer": "sgd", "loss": "ohem"},
}
STEPS = 12


def fields(method: str) -> dict[str, Any]:
    """What a run of `method` needs beside its name."""
    if method == "combined":
        return {"method": {"name": "combined", "parts": ["fda", "minent"]}, "steps": STEPS, "target": "rural"}
    sees = METHODS[method].target
    return {"method": method, "steps": STEPS, **({} if sees == "nothing" else {"target": "rural"})}


def weights(place: Place, run_id: str) -> str:
    """The digest of the chosen weights."""
    state = checkpoint.load(place.store.run_folder(run_id) / "chosen.pt", run_id=run_id)
    whole = hashlib.sha256()
    for name, tensor in sorted(state["model"].items()):
        whole.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return whole.hexdigest()


def goes_on(run: Any, steps: list[int], place: Place, workers: int) -> int:
    """At how many of `steps` a run that is killed there goes on to the numbers and weights of one that is not."""
    whole = replace(place, store=Store(place.store.root / "whole"))
    expected, equal = numbers(inline(run, whole)), 0
    for step in steps:
        other = replace(place, store=Store(place.store.root / f"{step}-{workers}"), checkpoint_s=-1.0, workers=workers)
        (failure,) = in_processes([run], other, {run.run_id: fault(f"train.step:{step}:kill")})
        assert isinstance(failure, Failure), failure
        (record,) = in_processes([run], other)
        assert isinstance(record, RunRecord), record
        assert record.resumed_at == (
            (step - 1,) if step > 1 else ()
        )  # every report is saved, and this one was not made
        equal += numbers(record) == expected and weights(other, run.run_id) == weights(whole, run.run_id)
    return equal


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_killed_run_of_every_method_goes_on_to_equal_numbers(place: Place, method: str) -> None:
    drawn = random.Random(method)
    assert goes_on(tiny(**fields(method)), [drawn.randint(2, STEPS)], place, 2) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_run_goes_on_to_equal_numbers(place: Place, way: str) -> None:
    drawn = random.Random(way)
    assert goes_on(tiny(steps=STEPS, **WAYS[way]), [drawn.randint(2, STEPS)], place, drawn.choice((0, 1, 2))) == 1


@pytest.mark.card
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_twenty_kill_points_of_every_method(place: Place, figure: Figure, method: str, workers: int) -> None:
    drawn, found, every = random.Random(f"{method} {workers}"), 0, 0
    for way, changes in WAYS.items():
        steps = sorted(drawn.sample(range(1, STEPS + 1), 4))
        own = replace(place, store=Store(place.store.root / way.replace(" ", "_")))
        found += goes_on(tiny(**fields(method), **changes), steps, own, workers)
        every += len(steps)
    assert found == every == 20
    figure(f"B4 random kill points of {method}, {workers} workers", f"{found}/{every} equal weights and record")


def test_a_run_that_was_given_other_settings_is_another_run(place: Place, tmp_path: Path, figure: Figure) -> None:
    first = tiny(steps=8)
    keeps = replace(place, checkpoint_s=-1.0)
    (failure,) = in_processes([first], keeps, {first.run_id: fault("train.step:5:kill")})
    assert isinstance(failure, Failure)
    left = {p.name: p.read_bytes() for p in place.store.run_folder(first.run_id).glob("*.pt")}
    other = tiny(steps=8, optimizer={"name": "adamw", "lr": 0.02})
    assert other.run_id != first.run_id
    (record,) = in_processes([other], keeps)
    assert isinstance(record, RunRecord)
    assert record.resumed_at == ()
    assert {p.name: p.read_bytes() for p in place.store.run_folder(first.run_id).glob("*.pt")} == left
    figure("B9 a changed learning rate", "1/1 another run, from the start; the old one untouched")


# ------------------------------------------------------------------ a whole sweep

SMOKE = Path(__file__).resolve().parents[2] / "sweeps" / "smoke.yaml"


def records(folder: Path) -> dict[str, Any]:
    return {s.record.run_id: numbers(s.record) for s in Store(folder / "results").read().runs}


@pytest.mark.card
@pytest.mark.timeout(1200)
def test_a_sweep_killed_twenty_times_ends_as_one_that_was_not(tmp_path: Path, figure: Figure) -> None:
    """sweeps/smoke.yaml, SIGKILL at any time, started again each time; torch is loaded before, no picture drawn."""
    drawn, words = random.Random(0), ("sweep", str(SMOKE), "--set", "cost=false", "--checkpoint-every", "0")
    for name in ("warm", "whole"):
        (tmp_path / name).mkdir()
        before = time.monotonic()
        assert command(tmp_path / name, tmp_path / "log", *words) == 0
    whole_s, expected = time.monotonic() - before, records(tmp_path / "whole")
    kills, sweeps, code = 0, 0, 0
    while kills < 20 or code != 0:
        if not sweeps or code == 0:  # it has come to its end between the kills: from the beginning again
            sweeps += 1
            (tmp_path / str(sweeps)).mkdir()
        at = time.monotonic() + (drawn.uniform(0.05, 0.5) if kills < 20 else 9.0) * whole_s

        def kill(child: Any, _: str, at: float = at) -> None:
            if time.monotonic() > at:
                child._send(9)

        code = command(tmp_path / str(sweeps), tmp_path / "log", *words, at=kill)
        assert code in (-9, 0), (tmp_path / "log").read_text()
        kills += code == -9
        if code == 0:
            assert records(tmp_path / str(sweeps)) == expected
    figure("Smoke sweep killed at random and restarted", f"{kills} SIGKILLs, the same {len(expected)} records")
