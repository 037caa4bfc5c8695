"""Every field of a training recipe: that it does what it says, and that a run stopped on the way ends the same."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from test_train import CPU, Tiny, Two, endless, go
from torch import Tensor

from bench import checkpoint
from bench.batches import Batch, training_batches
from bench.cache import Split
from bench.methods.teacher import Teacher
from bench.models.segmodel import SegModel
from bench.optimizers.guard import FinitenessGuard
from bench.optimizers.sgd import sgd
from bench.run import picking
from bench.run.attempt import attempt
from bench.run.blanks import Blanks
from bench.run.checking import check
from bench.run.chosen import pack, unpack
from bench.run.numerics import CUBLAS, named, numerics
from bench.run.parts import build_parts
from bench.run.picking import Picked, fastest, pick
from bench.run.place import Place
from bench.run.stopping import EarlyStop
from bench.run.training import Run
from bench.spec import BenchError, Failure, PlannedRun, RunConfig, RunRecord
from bench.store import Store
from bench.train import train

Make = Callable[..., PlannedRun]


@pytest.fixture
def planned(planned: Make, four_convs: str) -> Make:
    """planned(...) with the smallest network and small tiles."""
    tiles = {"name": "landcover", "tile_px": 32, "train_tiles": 8, "val_tiles": 2, "test_tiles": 2}
    return lambda **changes: planned(**{"model": four_convs, "dataset": tiles, "crop_px": (32, 32), **changes})


@pytest.fixture
def place(results: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    return Place(store=Store(results), sweep="test", workers=1)


def finish(run: PlannedRun, place: Place, at: int | None = None) -> RunRecord | Failure:
    """What comes of a run, which is asked to stop once it has told of step `at`."""
    wish: list[bool] = []
    last: object = None
    for last in attempt(run, replace(place, stop=lambda: bool(wish))):
        if at is not None and getattr(last, "step", None) == at:
            wish.append(True)
    assert isinstance(last, (RunRecord, Failure))
    return last


def record(run: PlannedRun, place: Place) -> RunRecord:
    found = finish(run, place)
    assert isinstance(found, RunRecord), found
    return found


def numbers(record: RunRecord | Failure) -> dict[str, Any]:
    """A record without what may differ between two runs of the same thing."""
    assert isinstance(record, RunRecord), record
    timing = {"seconds", "memory_bytes", "started_utc", "finished_utc", "machine", "resumed_at", "commit", "dirty"}
    return record.model_dump(mode="json", exclude=timing)


def kept(place: Place, run: PlannedRun) -> dict[str, Any]:
    return checkpoint.load(place.store.run_folder(run.run_id) / "chosen.pt", run_id=run.run_id)


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------ every field, stopped and resumed

EARLY = {"evaluate_every": 1, "choose": "source_val", "patience": 2, "min_gain": 0.9, "steps": 8}
FIELDS: dict[str, dict[str, Any]] = {
    "accumulate": {"accumulate": 2, "augment": ["flip", "color_jitter"], "evaluate_every": 2},
    "ema": {"ema": 0.9, "evaluate_every": 2, "choose": "source_val"},
    "a teacher and all": {"ema": 0.5, "accumulate": 2, "method": "mic", "target": "rural", "precision": "auto"},
    "early stopping": EARLY,
    "deterministic": {"deterministic": True, "precision": "bf16", "channels_last": True},
    "warm-up": {"warmup_steps": 3, "warmup_from": 0.1, "schedule_by": "epoch"},
    "freezing": {"groups": {"name": "by_stage", "frozen": ["stem"], "thaw": 0.5}},
    "plateau": {"scheduler": {"name": "plateau", "patience": 1}, "evaluate_every": 1},
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_stopped_run_goes_on_to_the_same_numbers(planned: Make, place: Place, tmp_path: Path, field: str) -> None:
    run = planned(**{"steps": 6, "optimizer": "adamw", **FIELDS[field]})
    whole = record(run, place)
    other = replace(place, store=Store(tmp_path / "b" / "results"))
    stopped = finish(run, other, at=2)
    assert isinstance(stopped, Failure), stopped
    assert stopped.state == "interrupted", stopped
    again = record(run, other)
    assert again.resumed_at == (2,)
    assert numbers(again) == numbers(whole)
    assert equal(kept(place, run)["model"], kept(other, run)["model"])


@pytest.mark.slow
def test_a_compiled_run_is_recorded_and_goes_on(planned: Make, place: Place, tmp_path: Path) -> None:
    run = planned(steps=6, compile=True, evaluate_every=3)
    whole = record(run, place)
    assert whole.picked == {"precision": "fp32", "channels_last": False, "compile": True}
    other = replace(place, store=Store(tmp_path / "b" / "results"))
    assert isinstance(finish(run, other, at=2), Failure)
    assert numbers(record(run, other)) == numbers(whole)
    eager = record(planned(steps=6, evaluate_every=3), place)
    ours, theirs = (found.history.losses["segmentation"] for found in (whole, eager))
    assert ours == pytest.approx(theirs, rel=1e-3)


# ------------------------------------------------------------------ accumulation


def halves() -> Iterator[Batch]:
    for batch in endless():
        for part in range(2):
            yield Batch(batch.images[part : part + 1], batch.labels[part : part + 1], part=part)


def accumulated(
    batches: Iterator[Batch], accumulate: int, steps: int = 4, model: Tiny | None = None, **options: Any
) -> tuple[Tiny, list[Any]]:
    model = model or Tiny()
    optimizer = sgd([{"params": list(model.parameters())}], lr=0.1)
    loop = train(
        model,
        Two(),
        (optimizer,),
        batches,
        steps=steps,
        lr_factor=lambda s: 1.0,
        pause=lambda s: False,
        device=CPU,
        accumulate=accumulate,
        **options,
    )
    return model, list(loop)


def test_two_halves_make_the_update_of_the_whole() -> None:
    whole, told = accumulated(endless(), 1)
    parts, told_of_parts = accumulated(halves(), 2)
    assert torch.allclose(whole.conv.weight, parts.conv.weight, rtol=0, atol=1e-6)
    for name, values in told[0].losses.items():
        assert told_of_parts[0].losses[name] == pytest.approx(values, abs=1e-6)  # the mean, one for each step
    assert not torch.allclose(whole.conv.weight, accumulated(halves(), 1)[0].conv.weight, rtol=0, atol=1e-4)


def split() -> Split:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (9, 3, 8, 8), dtype=torch.uint8, generator=draw)
    return Split(images, images[:, 0] % 7, tuple("abcdefghi"), "")


def taken(count: int, **options: Any) -> list[Batch]:
    batches = training_batches(split(), batch_size=2, seed=0, device=CPU, crop_px=(4, 4), **options)
    return [copy.deepcopy(next(batches)) for _ in range(count)]


def test_the_batches_of_an_update_are_numbered_and_each_has_draws_of_its_own() -> None:
    batches = taken(4, accumulate=2)
    assert [(batch.step, batch.part) for batch in batches] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    drawn = {float(torch.rand(1, generator=batch.generator("mix"))) for batch in batches}
    assert len(drawn) == 4
    alone = taken(2)
    assert [torch.rand(1, generator=b.generator("mix")) for b in alone] == [
        torch.rand(1, generator=b.generator("mix")) for b in batches if b.part == 0
    ]
    (later,) = taken(1, accumulate=2, start=1)
    assert torch.equal(later.images, batches[2].images)


def test_no_update_lies_in_two_passes(planned: Make, place: Place) -> None:
    """Nine images in pairs of pairs: two updates and a rest; what a pass has left is dropped."""
    seen = [tuple(map(float, batch.images.mean((1, 2, 3)))) for batch in taken(4, accumulate=2)]
    assert len({image for batch in seen for image in batch}) == 8
    run = record(planned(steps=None, epochs=2, accumulate=2), place)
    assert (run.steps, run.images_seen) == (4, 16)
    with pytest.raises(BenchError, match="8 images, fewer than 5 times 2; lower `batch_size` or `accumulate`"):
        check([planned(accumulate=5).config], place)


# ------------------------------------------------------------------ the average of weights


def test_what_is_scored_is_the_average_with_its_buffers(planned: Make, place: Place) -> None:
    fast: dict[str, Any] = {"optimizer": {"name": "adamw", "lr": 0.1}, "steps": 6}
    slow, plain = planned(ema=0.999, **fast), planned(**fast)
    followed, own = (record(run, place) for run in (slow, plain))
    assert followed.history == own.history  # it only follows
    assert followed.confusion != own.confusion
    average, model = kept(place, slow)["model"], kept(place, plain)["model"]
    assert {name for name in model if not torch.equal(model[name], average[name])} >= {
        "head.weight",
        "stem.1.running_mean",
        "stem.1.running_var",
    }


class Normed(Tiny):
    """`Tiny` behind batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return super().forward(self.norm(images))


@pytest.mark.parametrize("name", ["conv.weight", "norm.running_mean"])
def test_the_average_is_that_of_the_formula(name: str) -> None:
    average = Teacher(Normed(), 0.5)
    model, _ = accumulated(endless(), 1, model=Normed(), follow=average.update)
    mean = Normed().state_dict()[name]
    for n in range(1, 5):
        alpha, weight = min(1 - 1 / (n + 1), 0.5), accumulated(endless(), 1, n, Normed())[0].state_dict()[name]
        mean = alpha * mean + (1 - alpha) * weight
    assert torch.allclose(average.model.state_dict()[name], mean, atol=1e-6)
    assert not torch.allclose(model.state_dict()[name], mean, atol=1e-4)


# ------------------------------------------------------------------ early stopping


def test_a_run_without_gain_ends_before_its_time(planned: Make, place: Place) -> None:
    run = record(planned(**EARLY), place)
    assert (run.stopped_at, run.steps, run.chosen_step, run.images_seen) == (3, 3, 1, 6)
    assert [evaluation.step for evaluation in run.evaluations] == [1, 2, 3]
    assert run.history.steps[-1] == 3
    without = record(planned(**{**EARLY, "patience": None, "min_gain": 0.0}), place)
    assert (without.stopped_at, without.steps) == (None, 8)
    assert run.training_macs is not None
    assert without.training_macs is not None
    assert 8 * run.training_macs == 3 * without.training_macs


def test_the_one_stopper_counts_from_the_last_gain() -> None:
    stopper = EarlyStop(2, 0.1)
    for step, score in enumerate([None, None, None, 0.1, 0.15, 0.3, 0.35, float("nan"), 0.9], 1):
        stopper.look(score, step)
    assert stopper.stopped_at == 8  # 0.15 and 0.35 are too little; before the first score nothing is counted
    other = EarlyStop(2, 0.1)
    for step, score in enumerate([0.1, 0.1], 1):
        other.look(score, step)
    resumed = EarlyStop(2, 0.1)
    resumed.restore(other.state())
    resumed.look(0.1, 3)
    assert resumed.stopped_at == 3
    anew = EarlyStop(2, 0.1)  # what a published system does: a new one each time never fires
    anew.look(0.1, 3)
    assert anew.stopped_at is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"patience": 2, "evaluate_every": 1}, "set `choose`"),
        ({"min_gain": 0.1}, "set `patience` too"),
        ({**EARLY, "patience": 7}, "8 updates at the earliest, and this one has 8"),
    ],
)
def test_a_criterion_that_cannot_end_a_run_is_refused(planned: Make, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        planned(**changes)
    planned(**{**EARLY, "patience": 6})


def test_a_criterion_out_of_reach_of_epochs_is_refused(planned: Make, place: Place) -> None:
    run = {**EARLY, "steps": None, "patience": 3}
    with pytest.raises(BenchError, match=r"patience: .*after 4 updates at the earliest, and this one has 4; lower"):
        check([planned(**run, epochs=1).config], place)
    check([planned(**run, epochs=2).config], place)


def test_a_rate_of_nothing_moves_no_stage_and_fails_no_run(planned: Make, four_convs: str, place: Place) -> None:
    still = record(
        planned(model=four_convs, groups="by_stage", optimizer={"name": "sgd", "lr": 0.0}, steps=1, batch_size=2), place
    )
    assert still.history.lr == (0.0,)


# ------------------------------------------------------------------ precision, layout, order


def test_auto_picks_by_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def cpu(**flags: bool) -> str:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
        return fastest(CPU)

    assert (cpu(avx512_bf16=True), cpu(amx_bf16=True), cpu(avx512_f=True)) == ("bf16", "bf16", "fp32")
    cuda = torch.device("cuda:0")
    for capability, best in (((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")):
        monkeypatch.setattr(picking, "_capability", lambda device, found=capability: found)
        assert fastest(cuda) == best
    monkeypatch.setattr(picking, "_capability", lambda device: (7, 5))
    assert picking._precision(RunConfig.model_construct(precision="tf32"), cuda) == "fp32"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, Picked("fp32", False, False)),
        ({"precision": "auto"}, Picked("bf16", True, False)),
        ({"precision": "auto", "channels_last": False}, Picked("bf16", False, False)),
        ({"precision": "bf16"}, Picked("bf16", False, False)),
        ({"precision": "tf32", "channels_last": True}, Picked("fp32", True, False)),
        ({"compile": True}, Picked("fp32", False, True)),
    ],
)
def test_the_layout_goes_with_auto(
    planned: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], found: Picked
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert pick(planned(**changes).config, CPU) == found


def test_the_record_says_what_was_picked(planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    found = record(planned(precision="auto"), place)
    assert found.picked == {"precision": "fp32", "channels_last": True, "compile": False}


def test_channels_last_changes_no_weight_and_no_layout_of_logits(planned: Make) -> None:
    plain, last = (build_parts(planned(channels_last=on).config, CPU).model for on in (False, True))
    assert equal(plain.state_dict(), last.state_dict())
    convolutions = [part for part in last.modules() if isinstance(part, torch.nn.Conv2d)]
    assert all(part.weight.is_contiguous(memory_format=torch.channels_last) for part in convolutions)
    images = torch.randn(2, 3, 32, 32)
    ours, theirs = last(images)["out"], plain(images)["out"]
    assert ours.is_contiguous()
    assert torch.allclose(ours, theirs, atol=1e-5)
    bare = super(SegModel, last).__call__(images.contiguous(memory_format=torch.channels_last))["out"]
    assert not bare.is_contiguous()  # what a loss would be given otherwise


def test_switches_are_put_back(planned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CUBLAS, raising=False)
    config = planned(deterministic=True).config
    with numerics(pick(config, CPU), CPU, deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic
    with pytest.raises(KeyError), numerics(pick(config, CPU), CPU, deterministic=True):
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_a_fixed_order_is_named(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unordered(*_: Any) -> None:
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))

    monkeypatch.setattr("bench.run.training.weights_digest", unordered)
    failure = finish(planned(deterministic=True), place)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("deterministic: put_ cannot be computed in a fixed order on this device; leave")
    monkeypatch.setattr("bench.run.training.weights_digest", lambda model: unordered() or "")
    record(planned(), place)  # without the field it may


def test_a_fault_of_the_compiler_is_named() -> None:
    from torch._dynamo.exc import Unsupported

    told = r"compile: torch\.compile failed: Unsupported: no such thing; leave `compile` out"
    with pytest.raises(BenchError, match=told), named():
        raise Unsupported("no such thing")
    with pytest.raises(ValueError, match="no such thing"), named():
        raise ValueError("no such thing")


# ------------------------------------------------------------------ losses that are not finite


def test_with_a_scaler_no_update_is_made_from_the_first_bad_loss_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(steps: int, bad_at: int | None) -> Tiny:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
        method = Two(lambda n, loss: loss * float("nan") if n == bad_at else loss)
        return go(sgd, method, steps=steps, scaler=scaler)[0]

    assert torch.equal(trained(6, 3).conv.weight, trained(3, None).conv.weight)
    monkeypatch.setattr(FinitenessGuard, "spoilt", lambda self, loss: loss)
    assert not torch.equal(trained(6, 3).conv.weight, trained(3, None).conv.weight)


def test_what_a_run_had_learnt_before_it_diverged_is_kept(planned: Make, place: Place) -> None:
    failure = finish(planned(optimizer={"name": "sgd", "lr": 1e30}), place)
    assert isinstance(failure, Failure)
    assert failure.state == "diverged"
    step = int(failure.reason.split("step ")[1].split(";")[0])
    path = place.store.run_folder(failure.run_id) / "last-good.pt"
    good = checkpoint.load(path, run_id=failure.run_id)
    assert good["step"] == step - 1
    assert good["buffers_of_step"] <= step - 1
    assert all(tensor.isfinite().all() for tensor in good["model"].values() if tensor.is_floating_point())


def test_gradients_that_spoilt_the_weights_are_told_of(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finite loss with gradients that are not: 0 times the square root of 0."""
    monkeypatch.setattr(
        "bench.methods.method.Method.supervised",
        lambda self, model, batch: (model(batch.images)["out"].square().sum() * 0).sqrt() + 1,
    )
    failure = finish(planned(), place)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("loss is not finite at step 2; ")
    assert failure.reason.endswith("(the gradients of step 1 were not finite, and its loss was)")
    assert not (place.store.run_folder(failure.run_id) / "last-good.pt").exists()


# ------------------------------------------------------------------ what is kept is what was scored


def numbered(config: RunConfig) -> SegModel:
    return build_parts(config, CPU).model.eval()


WRAPS: dict[str, dict[str, Any]] = {
    "source_only": {},
    "ema": {"ema": 0.9},
    "adabn": {"method": "adabn", "target": "rural"},
    "prior_correction": {"method": "prior_correction", "target": "rural"},
    "test_bn": {"method": "test_bn"},
    "tent": {"method": {"name": "tent", "lr": 0.1}},
    "two": {"method": ["adabn", "prior_correction"], "target": "rural"},
    "three": {"method": ["prior_correction", "tent"], "target": "rural"},
}


@pytest.mark.parametrize("way", WRAPS)
def test_chosen_pt_holds_the_network_that_was_scored(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    scored: list[SegModel] = []
    monkeypatch.setattr(Run, "draw", lambda self, network, tests: scored.append(copy.deepcopy(network)))
    fields = WRAPS[way]
    if isinstance(fields.get("method"), list):
        fields = {**fields, "method": {"name": "combined", "parts": fields["method"]}}
    run, plain = planned(**fields), planned()
    for one in [run] if run == plain else [run, plain]:
        record(one, place)
    state = kept(place, run)
    assert state["whole"]
    again, trained = unpack(state, numbered(run.config)), unpack(kept(place, plain), numbered(run.config))
    images, told = torch.randn(3, 3, 32, 32), scored[0].eval()
    with torch.no_grad():
        first = told(images)["out"]
        assert torch.equal(again(images)["out"], first)
        assert torch.equal(again(images)["out"], told(images)["out"])  # it goes on adapting, where that one does
        assert torch.equal(trained(images)["out"], first) == (way == "source_only")  # the one before it adapted is not


def test_a_network_that_cannot_be_kept_is_said_to_be_not_whole() -> None:
    class Other(SegModel):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.more = Tiny(), torch.nn.Conv2d(2, 2, 1)

    trained = Tiny()
    state = pack(trained, Other())
    assert not state["whole"]
    assert "Other" in state["note"]
    assert equal(state["model"], trained.state_dict())


def test_weights_of_an_earlier_program_are_read() -> None:
    trained, other = Tiny(), Tiny()
    trained.conv.weight.data.add_(1)
    assert equal(unpack({"model": trained.state_dict(), "step": 3}, other).state_dict(), trained.state_dict())


# ------------------------------------------------------------------ batches without a label


def test_batches_without_a_label_are_counted() -> None:
    void, one = torch.full((2, 50, 50), 255), torch.full((2, 50, 50), 255)
    one[1, 49, 48] = 3
    full = torch.zeros(2, 50, 50, dtype=torch.int64)
    images = torch.zeros(2, 3, 50, 50)
    blanks = Blanks()
    for _ in blanks.watch(iter([Batch(images, labels) for labels in (void, one, full, void)])):
        pass
    assert blanks.state() == {"count": 2}
    other = Blanks()
    other.restore(blanks.state())
    for _ in other.watch(iter([Batch(images, void)])):
        pass
    assert other.count == 3


def test_who_counts_them_holds_no_memory_of_the_batch_before() -> None:
    holders: list[int] = []

    def batches() -> Iterator[Batch]:
        codes = np.zeros((1, 40, 40), np.int64)
        for _ in range(3):
            yield Batch(torch.zeros(1, 3, 40, 40), torch.from_numpy(codes))
            holders.append(sys.getrefcount(codes))

    watched = Blanks().watch(batches())
    while next(watched, None) is not None:  # which holds none itself
        pass
    assert holders == [2, 2, 2]  # its own name, and the question
