"""A planned run -> a record on disk: the same twice, the same after a stop, and every way of failing told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import checkpoint
from bench.cache import Cache
from bench.names.code import code_digests
from bench.run import training
from bench.run.attempt import attempt
from bench.run.checking import check
from bench.run.events import Phase, Taken
from bench.run.place import Place, pick_device
from bench.run.standing import outcome, standing, standings
from bench.run.training import Run
from bench.spec import BenchError, ExitCode, Failure, PlannedRun, RunRecord
from bench.store import Store

Make = Callable[..., PlannedRun]


@pytest.fixture
def planned(planned: Make, four_convs: str) -> Make:
    """planned(...) with the smallest network unless another is named."""
    return lambda **changes: planned(**{"model": four_convs, **changes})


@pytest.fixture
def place(results: Path) -> Place:
    return Place(store=Store(results), sweep="test", workers=1)


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn where a test is about them."""
    if "picture" not in request.node.name:
        monkeypatch.setattr(Run, "draw", lambda *_: None)


def finish(planned: PlannedRun, place: Place) -> RunRecord | Failure:
    *_, last = attempt(planned, place)
    assert isinstance(last, (RunRecord, Failure))
    return last


def numbers(record: RunRecord | Failure) -> dict[str, Any]:
    """A record without what may differ between two runs of the same thing."""
    assert isinstance(record, RunRecord), record
    timing = {"seconds", "memory_bytes", "started_utc", "finished_utc", "machine", "resumed_at", "commit", "dirty"}
    return record.model_dump(mode="json", exclude=timing)


def weights(place: Place, planned: PlannedRun) -> dict[str, torch.Tensor]:
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


def interrupt(planned: PlannedRun, place: Place, at: int | str) -> Failure:
    """Ask the run to stop once it has told of step `at`, or of a phase of that name."""
    wish: list[bool] = []
    last: object = None
    for last in attempt(planned, replace(place, stop=lambda: bool(wish))):
        if at in (getattr(last, "step", None), getattr(last, "what", None)):
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


LOOKS: dict[str, Any] = {"steps": 6, "evaluate_every": 2, "choose": "source_val", "optimizer": "adamw"}


def test_a_run_stopped_in_an_evaluation_makes_that_evaluation_when_it_goes_on(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = planned(**LOOKS), replace(place, store=Store(tmp_path / "b" / "results"))
    whole = finish(run, place)
    wish: list[bool] = []
    batches, seen = training.scoring_batches, []

    def noted(*args: Any, **words: Any) -> Any:
        for batch in batches(*args, **words):
            seen.append(batch)
            wish.extend([True] * (len(seen) == 4))  # within the second evaluation, of two domains of one batch each
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(training, "scoring_batches", noted)
        *_, failure = attempt(run, replace(other, stop=lambda: bool(wish)))
    assert isinstance(failure, Failure)
    assert (failure.state, failure.reason) == ("interrupted", "stopped after step 4 of 6; state saved")
    resumed = finish(run, other)
    assert isinstance(resumed, RunRecord)
    assert resumed.resumed_at == (4,)
    assert numbers(resumed) == numbers(whole)
    assert same(weights(other, run), weights(place, run))


@pytest.mark.parametrize(("at", "reason"), [("reading images", "stopped while reading"), ("scoring", "after step 6")])
def test_a_run_can_be_stopped_before_and_after_its_training(
    planned: Make, place: Place, tmp_path: Path, at: str, reason: str
) -> None:
    run, other = planned(**LOOKS), replace(place, store=Store(tmp_path / "b" / "results"))
    failure = interrupt(run, other, at)
    assert (failure.state, reason in failure.reason) == ("interrupted", True)
    assert numbers(finish(run, other)) == numbers(finish(run, place))


def test_a_damaged_checkpoint_costs_steps_and_changes_nothing(planned: Make, place: Place, tmp_path: Path) -> None:
    run, other = planned(**LOOKS), replace(place, store=Store(tmp_path / "b" / "results"), checkpoint_s=-1.0)
    whole = finish(run, place)
    interrupt(run, other, 5)
    newest = checkpoint.step_file(other.store.run_folder(run.run_id), 5)
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"step-00000005.pt: checkpoint is damaged; the one before it is used"):
        resumed = finish(run, other)
    assert isinstance(resumed, RunRecord)
    assert resumed.resumed_at == (4,)
    assert numbers(resumed) == numbers(whole)
    assert same(weights(other, run), weights(place, run))


def test_best_weights_stay_while_a_checkpoint_speaks_of_them(planned: Make, place: Place) -> None:
    run = planned(**LOOKS)
    interrupt(run, replace(place, checkpoint_s=-1.0), 5)
    folder = place.store.run_folder(run.run_id)
    bests = {checkpoint.load(p, run_id=run.run_id)["journal"]["best"][1] for p in folder.glob("step-*.pt")}
    assert {p.name for p in folder.glob("best-*.pt")} == {checkpoint.best_file(folder, step).name for step in bests}


def test_a_network_that_draws_by_itself_goes_on_drawing(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.models.segmodel import SegModel

    def dropping(self: SegModel, images: torch.Tensor) -> Any:
        return torch.nn.Module.__call__(self, torch.nn.functional.dropout(images, 0.5, self.training))

    monkeypatch.setattr(SegModel, "__call__", dropping)
    run, other = planned(steps=6), replace(place, store=Store(tmp_path / "b" / "results"))
    whole = finish(run, place)
    interrupt(run, other, 3)
    torch.manual_seed(5)
    assert numbers(finish(run, other)) == numbers(whole)
    interrupt(run, third := replace(place, store=Store(tmp_path / "c" / "results")), 3)
    monkeypatch.setattr(torch, "set_rng_state", lambda state: None)
    assert numbers(finish(run, third)) != numbers(whole)


@pytest.mark.parametrize("what", ["classes", "fp64", "nan", "shape", "missing", "other run"])
def test_another_runs_checkpoint_is_refused(
    planned: Make, place: Place, tmp_path: Path, figure: Callable[[str, str], None], what: str
) -> None:
    run, other = planned(steps=6), replace(place, store=Store(tmp_path / "b" / "results"))
    whole = finish(run, place)
    giver = planned(steps=6, seed=1) if what == "other run" else run
    interrupt(giver, other, 3)
    path = checkpoint.step_file(other.store.run_folder(giver.run_id), 3)
    state = checkpoint.load(path, run_id=giver.run_id)
    name = next(iter(state["model"]))
    first = state["model"].pop(name)
    if what == "classes":
        state["made_with"]["classes"] = "others"
    swapped = {"fp64": first.double(), "nan": first * float("nan"), "shape": first[:-1], "missing": None}.get(
        what, first
    )
    state["model"] = {**({} if swapped is None else {name: swapped}), **state["model"]}
    path = checkpoint.step_file(other.store.run_folder(run.run_id), 3)
    checkpoint.save(path, state, run_id=giver.run_id, step=3)
    with pytest.warns(UserWarning, match=r"belongs to|another model|another shape|not finite|starts anew: classes"):
        found = finish(run, other)
    assert isinstance(found, RunRecord)
    assert found.resumed_at == ()
    assert numbers(found) == numbers(whole)
    figure("B8 checkpoints of something else", "refused, the run made anew")


def test_a_run_that_somebody_has_is_left_to_them(planned: Make, place: Place) -> None:
    run = planned()
    first = attempt(run, place)
    next(first)
    assert list(attempt(run, place)) == [Taken(done=False)]
    *_, last = first
    assert isinstance(last, RunRecord)


def test_a_run_that_was_done_since_it_was_planned_is_not_run_again(planned: Make, place: Place) -> None:
    run = planned()
    seen = replace(place, seen={run.run_id: standing(place.store, run.run_id)})
    assert interrupt(run, place, 2).state == "interrupted"
    assert isinstance(finish(run, seen), RunRecord)  # half done by another: gone on with
    seen = replace(place, seen={run.run_id: (0, "")})
    assert list(attempt(run, seen)) == [Taken(done=True)]
    assert outcome(place.store, run.run_id) is not None
    assert isinstance(finish(run, replace(place, seen={run.run_id: (1, "")})), RunRecord)  # a rerun, as planned
    assert place.store.attempts(run.run_id) == 2


def test_how_many_runs_stand_is_seen_at_once(planned: Make, place: Place) -> None:
    runs = [planned(), planned(seed=1), planned(seed=2)]
    for run in (runs[0], runs[0], runs[1]):
        finish(run, place)
    interrupt(runs[2], place, 2)
    finish(runs[2], replace(place, keep="none"))
    interrupt(runs[1], place, 2)
    (place.store.root / "runs" / "r-x.ab.json").write_text("{")
    ids = [run.run_id for run in runs]
    assert standings(place.store, ids) == {run_id: standing(place.store, run_id) for run_id in ids}
    assert [number for number, _ in standings(place.store, ids).values()] == [2, 1, 1]
    assert [bool(note) for _, note in standings(place.store, ids).values()] == [False, True, False]
    assert standings(Store(place.store.root / "none"), ids) == dict.fromkeys(ids, (0, ""))


def test_a_try_that_follows_another_of_the_same_sweep_is_made(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned()
    seen = replace(place, seen={run.run_id: (0, "")})
    with monkeypatch.context() as patched:
        patched.setattr(Run, "train", lambda *_: (_ for _ in ()).throw(RuntimeError("oh")))
        *_, failure = attempt(run, seen, 1)
        assert (failure.state, failure.tries) == ("failed", 1)
        assert list(attempt(run, seen, 1)) == [Taken(done=True)]
        *_, failure = attempt(run, seen, 2)
        assert failure.tries == 2
    *_, last = attempt(run, seen, 3)
    assert isinstance(last, RunRecord)


def test_a_checkpoint_left_beside_a_record_is_not_gone_on_with(planned: Make, place: Place) -> None:
    run = planned(steps=4)
    interrupt(run, place, 2)
    folder = place.store.run_folder(run.run_id)
    left = checkpoint.step_file(folder, 2).read_bytes()
    assert isinstance(finish(run, place), RunRecord)
    checkpoint.step_file(folder, 2).write_bytes(left)  # as a kill between storing and tidying leaves it
    again = finish(run, place)
    assert isinstance(again, RunRecord)
    assert again.resumed_at == ()
    assert not list(folder.glob("step-*.pt"))


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


def test_a_run_whose_code_changed_since_it_stopped_starts_anew(
    planned: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = planned(steps=6), replace(place, store=Store(tmp_path / "b" / "results"))
    interrupt(run, other, 3)
    today = {**code_digests(run.config), "loss": "another"}
    monkeypatch.setattr("bench.run.states.code_digests", lambda config: today)
    with pytest.warns(UserWarning, match=r"tiny starts anew: code of loss changed since it stopped"):
        record = finish(run, other)
    assert isinstance(record, RunRecord)
    assert record.resumed_at == ()


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


def test_drawn_images_are_drawn_once_for_all_processes(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.datasets.landcover import Landcover

    drawn: list[int] = []
    read = Landcover.read
    monkeypatch.setattr(Landcover, "read", lambda self, index: drawn.append(index) or read(self, index))  # type: ignore[func-returns-value]

    def count(run: PlannedRun) -> int:
        """How many images a process that starts now has to draw."""
        drawn.clear()
        finish(run, replace(place, cache=Cache()))
        return len(drawn)

    assert count(planned()) == 8 + 3 + 3
    first = place.store.read().runs[0].record
    assert count(planned(seed=1)) == 0
    assert count(planned(resize_px=(80, 80))) == 8 + 3 + 3
    assert count(planned()) == 0
    assert numbers(place.store.read().runs[-1].record)["data_digests"] == first.data_digests
    assert len({str(s.record.confusion) for s in place.store.read().runs if s.record.run_id == first.run_id}) == 1
    for path in (place.store.work / "cache").glob("drawn-*.npz"):
        whole = path.read_bytes()
        path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert count(planned()) == 8 + 3 + 3
    with monkeypatch.context() as patched:
        patched.setattr("bench.run.data.code_digests", lambda config: {"dataset": "other", "loop": "code"})
        assert count(planned()) == 8 + 3 + 3
        patched.setattr("bench.run.drawn.replace", lambda *_: (_ for _ in ()).throw(BenchError("full")))
        assert count(planned(resize_px=(72, 72))) == 8 + 3 + 3


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
        ({"method": "dacs"}, "needs a target"),
        ({"method": "oracle"}, "needs a target"),
        ({"method": "dacs", "target": "urban"}, "is the source"),
        ({"dataset": "camvid", "source": "day", "evaluate_on": ("dusk",)}, "BENCH_DATA"),
    ):
        with pytest.raises(BenchError, match=words):
            check([planned(**changes).config], place)


def test_devices() -> None:
    assert pick_device("cpu") == "cpu"
    for wanted, words in (("gpu", "unknown device"), ("cuda:²", "unknown device"), ("cuda:99", "there is no cuda:99")):
        with pytest.raises(BenchError, match=words):
            pick_device(wanted)
