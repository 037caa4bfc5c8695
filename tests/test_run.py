"""A planned run -> a record on disk: the same twice, the same after a stop, and every way of failing told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.cache import Cache
from bench.run.attempt import attempt
from bench.run.events import Phase
from bench.run.parts import check
from bench.run.place import Place, pick_device
from bench.run.training import Run
from bench.spec import BenchError, ExitCode, Failure, PlannedRun, RunRecord
from bench.store import Store
from bench.train import Progress

Make = Callable[..., PlannedRun]


@pytest.fixture
def place(results: Path) -> Place:
    return Place(store=Store(results), sweep="test", workers=1)


def finish(planned: PlannedRun, place: Place) -> RunRecord | Failure:
    *_, last = attempt(planned, place)
    assert isinstance(last, (RunRecord, Failure))
    return last


def numbers(record: RunRecord | Failure) -> dict[str, Any]:
    """A record without what may differ between two runs of the same thing."""
    assert isinstance(record, RunRecord), record
    timing = {"seconds", "memory_bytes", "started_utc", "finished_utc", "machine", "resumed_at"}
    return record.model_dump(mode="json", exclude=timing)


def weights(place: Place, planned: PlannedRun) -> dict[str, torch.Tensor]:
    from bench import checkpoint

    state = checkpoint.load(place.store.run_folder(planned.run_id) / "chosen.pt", run_id=planned.run_id)
    found: dict[str, torch.Tensor] = state["model"]
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_leaves_a_record_pictures_and_the_chosen_weights(planned: Make, place: Place) -> None:
    run = planned()
    record = finish(run, place)
    assert isinstance(record, RunRecord)
    (stored,) = place.store.read().runs
    assert stored.record.confusion == record.confusion
    assert stored.record.images_sha256 is not None
    assert {d: sum(map(sum, c)) > 0 for d, c in record.confusion.items()} == {
        "landcover/urban": True,
        "landcover/rural": True,
    }
    assert record.images_scored == {"landcover/urban": 3, "landcover/rural": 3}
    assert (record.steps, record.images_seen, record.source_images, record.chosen_step) == (4, 8, 8, 4)
    assert len(record.history.losses["segmentation"]) == 4
    assert record.synthetic
    left = {p.name for p in place.store.run_folder(run.run_id).iterdir()}
    assert left == {"chosen.pt", "panels.png", "curves.png"}


def test_the_same_run_twice_gives_the_same_numbers_and_weights(planned: Make, place: Place, tmp_path: Path) -> None:
    run = planned(augment=["flip"], loss={"name": "ohem", "min_kept": 1000})
    other = replace(place, store=Store(tmp_path / "other" / "results"), workers=3)
    torch.manual_seed(99)
    first = finish(run, place)
    second = finish(run, other)
    assert numbers(first) == numbers(second)
    assert same(weights(place, run), weights(other, run))
    third = finish(planned(augment=["flip"], loss={"name": "ohem", "min_kept": 1000}, seed=1), other)
    assert numbers(third)["confusion"] != numbers(first)["confusion"]


def interrupt(planned: PlannedRun, place: Place, after: int) -> Failure:
    """Ask the run to stop once it has told of step `after`."""
    wish: list[bool] = []
    last: object = None
    for last in attempt(planned, replace(place, stop=lambda: bool(wish))):
        if isinstance(last, Progress) and last.step == after:
            wish.append(True)
    assert isinstance(last, Failure)
    return last


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_stopped_run_goes_on_to_the_same_numbers(planned: Make, place: Place, tmp_path: Path, after: int) -> None:
    run = planned(steps=6, evaluate_every=2, choose="source_val", augment=["flip"], optimizer="adamw")
    whole = finish(run, place)
    other = replace(place, store=Store(tmp_path / "b" / "results"))
    failure = interrupt(run, other, after)
    assert (failure.state, failure.reason) == ("interrupted", f"stopped after step {after} of 6; state saved")
    resumed = finish(run, other)
    assert isinstance(resumed, RunRecord)
    assert resumed.resumed_at == (after,)
    assert numbers(resumed) == numbers(whole)
    assert same(weights(other, run), weights(place, run))
    assert other.store.read().failures == ()


def test_a_resume_that_forgets_the_optimizer_is_seen(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(steps=6)
    whole = finish(run, place)
    other = replace(place, store=Store(tmp_path / "b" / "results"))
    interrupt(run, other, 3)
    monkeypatch.setattr(torch.optim.Optimizer, "load_state_dict", lambda *_: None)
    assert numbers(finish(run, other)) != numbers(whole)


def test_a_run_whose_data_changed_since_it_stopped_starts_anew(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = planned(steps=6), replace(place, store=Store(tmp_path / "b" / "results"))
    interrupt(run, other, 3)
    whole = finish(run, place)
    monkeypatch.setattr("bench.datasets.landcover.Landcover.digest", lambda self: "other pixels")
    with pytest.warns(UserWarning, match=r"tiny starts anew: .*images of landcover/urban:train.* changed"):
        record = finish(run, replace(other, cache=Cache()))
    assert isinstance(record, RunRecord)
    assert isinstance(whole, RunRecord)
    assert record.resumed_at == ()
    assert record.confusion == whole.confusion  # all six steps were made anew
    assert set(record.data_digests.values()) == {"other pixels"}


def test_a_rerun_never_goes_on_from_what_an_earlier_attempt_left(planned: Make, place: Place) -> None:
    run, kept = planned(steps=4), replace(place, keep="all", checkpoint_s=-1.0)
    first, second = finish(run, kept), finish(run, kept)
    assert isinstance(second, RunRecord)
    assert second.resumed_at == ()
    assert numbers(first) == numbers(second)
    assert list(place.store.run_folder(run.run_id).glob("kept-step-*.pt"))


def test_time_before_a_stop_counts_and_the_run_says_where_it_goes_on(planned: Make, place: Place) -> None:
    run = planned(steps=6)
    interrupt(run, place, 3)
    events = list(attempt(run, place))
    record = events[-1]
    assert isinstance(record, RunRecord)
    assert Phase("going on after step 3", 6) in events
    assert record.seconds["total"] == pytest.approx(sum(v for k, v in record.seconds.items() if k != "total"), abs=0.01)
    assert record.started_utc <= record.finished_utc


def test_a_fault_of_the_place_stops_the_sweep_and_leaves_the_run_to_go_on(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise BenchError("cannot be written", code=ExitCode.ENVIRONMENT)

    monkeypatch.setattr(Store, "add_run", full)
    with pytest.raises(BenchError, match="cannot be written"):
        finish(planned(), place)
    assert place.store.read().failures == ()


def test_a_bad_loss_ends_as_diverged_with_its_step(planned: Make, place: Place) -> None:
    failure = finish(planned(steps=8, optimizer={"name": "sgd", "lr": 1e30}), place)
    assert isinstance(failure, Failure)
    assert failure.state == "diverged"
    assert "loss is not finite at step 2" in failure.reason
    (noted,) = place.store.read().failures
    assert noted == failure
    assert place.store.read().runs == ()


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (torch.OutOfMemoryError("tried to allocate"), "oom", "out of memory at batch 2, crop (64, 64)"),
        (MemoryError(), "oom", "out of memory at batch 2"),
        (RuntimeError("bad\nthing"), "failed", "RuntimeError: bad thing"),
        (BenchError("no", remedy="do"), "failed", "no; do"),
        (BenchError("bad label", code=ExitCode.DATA), "data", "bad label"),
    ],
    ids=["cuda memory", "host memory", "exception", "known fault", "data"],
)
def test_a_fault_of_a_run_is_recorded(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch, fault: Exception, state: str, words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(Run, "train", fail)
    failure = finish(planned(), place)
    assert isinstance(failure, Failure)
    assert failure.state == state
    assert words in failure.reason


def test_a_picture_that_fails_is_a_warning(planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no font")

    monkeypatch.setattr("bench.run.training.panels", fail)
    with pytest.warns(UserWarning, match="no pictures of tiny: no font"):
        assert isinstance(finish(planned(), place), RunRecord)


def test_scores_along_the_way_choose_by_source_validation_alone(planned: Make, place: Place) -> None:
    from bench.scores import miou

    record = finish(planned(steps=6, evaluate_every=2, choose="source_val"), place)
    assert isinstance(record, RunRecord)
    assert [e.step for e in record.evaluations] == [2, 4, 6]
    assert set(record.evaluations[0].confusion) == {"landcover/urban", "landcover/rural"}
    scores = {e.step: miou(e.confusion["landcover/urban"]) or 0.0 for e in record.evaluations}
    assert record.chosen_step == max(scores, key=lambda step: (scores[step], -step))


@pytest.mark.parametrize(
    ("keep", "left"), [("none", set()), ("chosen", {"chosen.pt"}), ("all", {"chosen.pt", "kept-best-00000001.pt"})]
)
def test_what_is_kept(planned: Make, place: Place, keep: Any, left: set[str]) -> None:
    run = planned(steps=2, evaluate_every=1, choose="source_val")
    finish(run, replace(place, keep=keep))
    assert {p.name for p in place.store.run_folder(run.run_id).glob("*.pt")} == left


def test_checking_finds_what_cannot_work_before_anything_runs(planned: Make, place: Place) -> None:
    check([planned().config], place)
    for changes, words in (
        ({"loss": "pidnet", "model": "unet_resnet18"}, "aux: true"),
        ({"precision": "fp16"}, "fp16 trains on CUDA only"),
        ({"target": "rural"}, "looks at no target"),
        ({"dataset": "camvid", "source": "day", "evaluate_on": ("dusk",)}, "BENCH_DATA"),
    ):
        with pytest.raises(BenchError, match=words):
            check([planned(**changes).config], place)


def test_devices() -> None:
    assert pick_device("cpu") == "cpu"
    for wanted, words in (("gpu", "unknown device"), ("cuda:²", "unknown device"), ("cuda:99", "there is no cuda:99")):
        with pytest.raises(BenchError, match=words):
            pick_device(wanted)
