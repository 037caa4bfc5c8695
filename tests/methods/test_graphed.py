"""Recorded and repeated updates are those of the loop, bit by bit, on a stand-in that behaves as a CUDA graph does."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_graph import FakeGraph, FakeRecorder
from method_toys import CPU, STEPS, Running, Toy, built, running, same, setting, toy_batch
from test_every_method import CASES
from torch import Tensor

from bench import names
from bench.batches import Batch
from bench.losses import LOSSES
from bench.methods import METHODS
from bench.methods.discriminator import Discriminator
from bench.methods.source_only import SourceOnly
from bench.methods.teacher import Teacher
from bench.models.segmodel import SegModel
from bench.run import graphed, training
from bench.run.attempt import attempt
from bench.run.graphed import WARMUPS, CudaRecorder, Graphed, Recorder, obstacle
from bench.run.parts import build_parts
from bench.run.place import Place
from bench.run.training import Run
from bench.spec import BenchError, Component, Failure, PlannedRun, RunRecord
from bench.store import Store
from bench.train import train

Make = Callable[..., PlannedRun]

CUDA = torch.device("cuda")
LENGTH = 7
DECLARED = [case for case, (name, options) in CASES.items() if built(name, **options).capturable]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Discriminators of a few thousand parameters."""
    monkeypatch.setattr("bench.methods.adversarial.Discriminator", functools.partial(Discriminator, width=4))


def half(step: int) -> float:
    return 1 - step / (2 * STEPS)


def go(
    run: Running,
    recorder: Recorder | None = None,
    *,
    start: int = 0,
    steps: int = LENGTH,
    batches: Callable[[int], Batch] = toy_batch,
    **more: Any,
) -> dict[str, list[float | None]]:
    """Updates `start` + 1 .. `steps` of `run`, recorded where there is a `recorder`; every loss by name."""
    losses: dict[str, list[float | None]] = {}
    loop = train(
        run.model,
        run.method,
        run.optimizers,
        (replace(batches(at), step=at) for at in range(start, 99)),
        **{
            "steps": steps,
            "start": start,
            "device": CPU,
            "lr_factor": half,
            "pause": lambda step: step % 3 == 0,
            **more,
        },
        capture=None if recorder is None else lambda update: Graphed(update, recorder),
    )
    for progress in loop:
        run.model.eval()  # as for scores
        for name, values in progress.losses.items():
            losses.setdefault(name, []).extend(values)
    return losses


def apart(make: Callable[[], Running], **more: Any) -> list[str]:
    """What of a run is another when its updates are recorded: losses, model, method, optimizers, draws; [] for none."""
    recorder, plain, repeated = FakeRecorder(), make(), make()
    torch.manual_seed(5)
    found = {"losses": go(plain, **more), **plain.state()}
    torch.manual_seed(5)
    other = {"losses": go(repeated, recorder, **more), **repeated.state()}
    assert (recorder.recorded, recorder.repeated > 1) == (1, True)
    return [part for part in found if not same(found[part], other[part])]


def started(case: str) -> Running:
    name, options = CASES[case]
    return running(name, **options)


def with_method(method: Any, network: type[Toy] = Toy) -> Running:
    """A method that stands in no table."""
    torch.manual_seed(1)
    model = network()
    optimizer = names.build("optimizer", Component(name="sgd"), [{"params": list(model.parameters())}])
    method.attach(model, setting())
    return Running(model, method, (optimizer,))


def cross_entropy() -> Any:
    return names.build("loss", Component(name="cross_entropy"))


# -------------------------------------------------------------------- every method, optimizer, loss


@pytest.mark.parametrize("case", DECLARED)
def test_a_method_that_says_so_can_be_recorded(case: str) -> None:
    assert apart(lambda: started(case)) == []


def test_what_says_so_is_known() -> None:
    """Those that are not here are taken step by step."""
    plain = {"source_only", "joint", "oracle", "adabn", "tent", "test_bn", "prior_correction"}
    assert {name for name in METHODS if name in DECLARED} == plain | {
        *("adaptsegnet", "advent", "color_transfer", "distillation", "fda", "minent")
    }
    together = {"adabn + prior_correction", "color_transfer + advent + minent"}
    assert {case for case in DECLARED if " + " in case} == together  # each of their parts says so


@pytest.mark.parametrize("case", ["cbst, early", "iast, early", "fda, bands", "dacs", "mic"])
def test_the_same_check_catches_a_method_that_must_not_say_so(case: str) -> None:
    refused = case in ("dacs", "mic")
    with pytest.raises(BenchError, match="cannot be recorded") if refused else contextlib.nullcontext():
        assert "model" in apart(lambda: started(case), steps=9)


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd"},
    "sgd, nesterov": {"name": "sgd", "nesterov": True},
    "sgd, plain": {"name": "sgd", "momentum": 0.0},
    "adam": {"name": "adam", "weight_decay": 0.1},
    "adamw": {"name": "adamw"},
}
SHAPES = ("poly", "one_cycle", "cyclic", "constant")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_optimizer_follows_a_changing_rate(optimizer: str, shape: str) -> None:
    factor = names.build("scheduler", Component(name=shape))

    def make() -> Running:
        run = running("source_only")
        stages = [
            {"params": [p for m in own for p in m.parameters()], "lr_factor": f} for (_, own), f in stages_of(run)
        ]
        return replace(
            run, optimizers=(names.build("optimizer", Component.model_validate(OPTIMIZERS[optimizer]), stages),)
        )

    assert apart(make, lr_factor=lambda step: factor(step / LENGTH)) == []


def stages_of(run: Running) -> list[Any]:
    return list(zip(run.model.stages(), (0.1, 1.0), strict=True))


class Edged(Toy):
    """With a head for boundaries."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        outputs = super().forward(images)
        return {**outputs, "boundary": outputs["aux"][:, :1]}


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"combined"}))
def test_every_loss_can_be_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ohem", "lovasz"):  # as on a GPU: on a CPU these two take what numpy does faster
        monkeypatch.setattr(f"bench.losses.{module}.readable", lambda values: False)

    def make() -> Running:
        loss = names.build("loss", Component(name=name))
        if hasattr(loss, "fit"):
            loss.fit(torch.ones(2, 3, dtype=torch.int64))
        return with_method(SourceOnly(loss), Edged)

    assert apart(make) == []


# -------------------------------------------------------------------- what else a step is made of


def test_micro_batches_are_recorded_together() -> None:
    recorder, run = FakeRecorder(), running("minent")
    stream = lambda at: replace(toy_batch(at), part=at % 2)  # noqa: E731
    go(run, recorder, accumulate=2, batches=stream)
    assert (recorder.beside, recorder.recorded, recorder.repeated) == (WARMUPS, 1, LENGTH - WARMUPS)
    assert apart(lambda: running("minent"), accumulate=2, batches=stream) == []


def test_half_precision() -> None:
    def make() -> Running:
        run = running("adaptsegnet")
        run.model.autocast_dtype = torch.bfloat16
        return run

    assert apart(make) == []


def test_an_average_of_the_weights_follows_from_outside() -> None:
    states = []
    for recorder in (None, FakeRecorder()):
        run = running("source_only")
        average = Teacher(run.model, 0.9)
        go(run, recorder, follow=average.update)
        states.append(average.state_dict())
    assert same(*states)


def test_a_bad_loss_withholds_every_later_update() -> None:
    def spoilt(at: int) -> Batch:
        batch = toy_batch(at)
        return replace(batch, images=batch.images * float("nan")) if at == 5 else batch

    assert apart(lambda: running("source_only"), batches=spoilt) == ["losses", "model"]  # nan is not nan
    run = running("source_only")
    losses = go(run, FakeRecorder(), batches=spoilt)["segmentation"]
    assert [at for at, value in enumerate(losses) if value != value] == [5]
    good = running("source_only")
    go(good, steps=5)
    assert same(*(dict(each.model.named_parameters()) for each in (run, good)))


def test_a_batch_of_another_shape_is_taken_step_by_step() -> None:
    odd = lambda at: toy_batch(at, n=1 if at in (1, 5) else 2)  # noqa: E731
    assert apart(lambda: running("minent"), batches=odd, steps=9) == []
    recorder = FakeRecorder()
    go(running("minent"), recorder, batches=odd, steps=9)
    assert (recorder.beside, recorder.repeated) == (3, 4)  # steps 0, 2, 3 and then 4, 6, 7, 8


def test_a_run_that_goes_on_records_again_and_ends_the_same() -> None:
    whole, first, second = (running("distillation", feature_weight=0.1) for _ in range(3))
    torch.manual_seed(5)
    losses = go(whole, steps=11)
    torch.manual_seed(5)
    found = go(first, FakeRecorder(), steps=5)
    state = first.state()
    torch.manual_seed(6)
    second.load(state)
    rest = go(second, FakeRecorder(), start=5, steps=11)
    assert same(second.state(), whole.state())
    assert {name: values + rest[name] for name, values in found.items()} == losses


@pytest.mark.parametrize("model", ["pidnet_s", "unet_resnet18"])
def test_whole_networks(model: str) -> None:
    def make() -> Running:
        torch.manual_seed(1)
        network = names.build("model", Component(name=model), 3)
        optimizer = names.build("optimizer", Component(name="sgd"), [{"params": list(network.parameters())}])
        return Running(network, built("source_only"), (optimizer,))

    size = (64, 64)
    assert apart(make, steps=WARMUPS + 2, batches=lambda at: toy_batch(at, size=size, target=False)) == []


@pytest.mark.gpu
@pytest.mark.parametrize("case", DECLARED)
def test_a_card_repeats_what_the_loop_does(case: str) -> None:
    """To the rounding of a rate: on a card it is a float32 where the loop has a number of Python."""
    card = torch.device("cuda", 0)

    def batches(at: int) -> Batch:
        batch = toy_batch(at)
        assert batch.target_images is not None
        images, labels, target = (one.to(card) for one in (batch.images, batch.labels, batch.target_images))
        return replace(batch, images=images, labels=labels, target_images=target)

    found = []
    for recorder in (None, CudaRecorder(card)):
        torch.manual_seed(1)
        name, options = CASES[case]
        model, method = Toy().to(card), built(name, **options)
        method.attach(model, replace(setting(device=card), target=None))
        optimizer = names.build("optimizer", Component(name="sgd"), [{"params": list(model.parameters())}])
        run = Running(model, method, (optimizer, *method.optimizers))
        losses = go(run, recorder, device=card, batches=batches)
        found.append(({key: value.cpu() for key, value in model.state_dict().items()}, losses))
    (plain, losses), (repeated, others) = found
    assert others.keys() == losses.keys()
    for one, other in ((plain, repeated), (losses, others)):
        for key, value in one.items():
            torch.testing.assert_close(torch.as_tensor(other[key]), torch.as_tensor(value), rtol=1e-3, atol=1e-5)


# -------------------------------------------------------------------- negative controls


def test_a_rate_that_stays_a_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graphed, "_rates_on_device", lambda self: contextlib.nullcontext())
    assert apart(lambda: running("source_only")) == ["losses", "model", "optimizers"]
    assert apart(lambda: running("source_only"), lr_factor=lambda step: 1.0) == []


def test_a_batch_that_is_not_copied_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphed, "_tensors", lambda batch: (batch.labels,))
    assert "model" in apart(lambda: running("source_only"))


class Fading(SourceOnly):
    """A weight that Python works out anew at every step."""

    capturable = True

    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        return super().supervised(model, batch) * (1 - batch.step / 50)


class Counting(SourceOnly):
    """As `Fading`, by a counter of its own."""

    capturable = True
    steps = 0

    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        self.steps += 1
        return super().supervised(model, batch) / self.steps


class Replacing(SourceOnly):
    """Its memory of the last loss is another tensor at every step, and a graph knows the first."""

    capturable = True
    last = torch.zeros(())

    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        loss = super().supervised(model, batch) * (1 + self.last)
        self.last = loss.detach() / 2
        return loss


@pytest.mark.parametrize("method", [Fading, Counting, Replacing])
def test_a_number_or_a_tensor_of_the_recording_is_noticed(method: Any) -> None:
    assert "model" in apart(lambda: with_method(method(cross_entropy())))


def test_a_momentum_that_moves_is_noticed() -> None:
    assert "model" in apart(lambda: running("source_only"), momentum=lambda step: 0.9 - step / 20)


def test_values_that_the_next_step_writes_over_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Tensor.clone
    monkeypatch.setattr(Tensor, "clone", lambda self, **k: self if self.dim() == 0 else clone(self, **k))
    assert apart(lambda: running("source_only")) == ["losses"]


class Asking(SourceOnly):
    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        loss = super().supervised(model, batch)
        return loss if loss.item() > 0 else loss * 2


class Fresh(SourceOnly):
    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        return super().supervised(model, batch) * torch.tensor([1.0])[0]


@pytest.mark.parametrize("method", [Asking, Fresh])
def test_what_cannot_be_recorded_is_one_line(method: Any) -> None:
    with pytest.raises(BenchError, match=r"cannot be recorded as a CUDA graph: .*leave `cuda_graph` out") as found:
        apart(lambda: with_method(method(cross_entropy())))
    assert "\n" not in str(found.value)
    assert found.value.key == "cuda_graph"


# -------------------------------------------------------------------- the stand-in itself


def test_the_stand_in_does_nothing_while_it_records() -> None:
    weight, factor = torch.ones(3), 2.0
    graph = FakeGraph()
    with graph:
        weight.view(3)[1:].mul_(factor)
        double = weight * factor
    graph.undo()
    factor = 3.0
    assert weight.tolist() == [1, 1, 1]
    graph.replay()
    assert (weight.tolist(), double.tolist()) == ([1, 2, 2], [2, 4, 4])
    weight.fill_(1)
    graph.replay()
    assert (weight.tolist(), double.tolist()) == ([1, 2, 2], [2, 4, 4])


# -------------------------------------------------------------------- whole runs


@pytest.fixture
def small(planned: Make, four_convs: str) -> Make:
    tiles = {"name": "landcover", "tile_px": 32, "train_tiles": 8, "val_tiles": 2, "test_tiles": 2}
    fields = {"model": four_convs, "dataset": tiles, "crop_px": (32, 32), "steps": 8}
    return lambda **changes: planned(**{**fields, **changes})


@pytest.fixture
def place(results: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    return Place(store=Store(results), sweep="test", workers=1)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs record on the CPU, as if that were a GPU."""
    real = obstacle
    monkeypatch.setattr(training, "obstacle", lambda config, parts, device: real(config, parts, CUDA))
    monkeypatch.setattr(training, "CudaRecorder", lambda device: FakeRecorder())


def finished(run: PlannedRun, place: Place, at: int | None = None) -> Any:
    """What comes of a run, which is asked to stop once it has told of step `at`."""
    wish: list[bool] = []
    events = attempt(run, replace(place, stop=lambda: bool(wish)))
    last: Any = None
    for last in events:
        if at is not None and getattr(last, "step", 0) >= at:
            wish.append(True)
    return last


def numbers(record: RunRecord) -> Any:
    return record.confusion, record.history, record.evaluations, record.chosen_step


RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rich": {
        "method": "minent",
        "target": "rural",
        "optimizer": "adamw",
        "scheduler": "one_cycle",
        "augment": ["flip", "color_jitter"],
        "ema": 0.9,
        "accumulate": 2,
        "evaluate_every": 3,
        "warmup_steps": 2,
    },
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.usefixtures("stand_in")
def test_a_recorded_run_ends_as_one_without(small: Make, place: Place, tmp_path: Path, recipe: str) -> None:
    plain, run = (small(cuda_graph=on, **RECIPES[recipe]) for on in (False, True))
    assert plain.run_id != run.run_id
    without, found = finished(plain, place), finished(run, place)
    assert numbers(found) == numbers(without)
    assert "cuda_graph" not in without.picked
    assert found.picked["cuda_graph"] == "losses, gradients and steps: 5 of 8 updates repeated"
    other = replace(place, store=Store(tmp_path / "b" / "results"))
    stopped = finished(run, other, at=4)
    assert isinstance(stopped, Failure)
    again = finished(run, other)
    assert again.resumed_at == (4,)
    assert numbers(again) == numbers(without)
    assert again.picked["cuda_graph"] == "losses, gradients and steps: 1 of 4 updates repeated"


def test_without_a_gpu_a_run_says_that_nothing_was_recorded(small: Make, place: Place) -> None:
    run = small(cuda_graph=True)
    events = list(attempt(run, place))
    assert events[-1].picked["cuda_graph"] == "not used: the device is no GPU"  # type: ignore[union-attr]
    told = [event.what for event in events if getattr(event, "telling", False)]
    assert told == ["step by step, without a CUDA graph: the device is no GPU"]


def test_by_default_nothing_is_recorded_and_ids_stay(small: Make) -> None:
    assert not small().config.cuda_graph
    assert small(cuda_graph=False).run_id == small().run_id


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, None),
        ({"method": "self_training", "target": "rural"}, "the step of self_training is not the same every time"),
        ({"scheduler": {"name": "one_cycle", "momentum": [0.85, 0.95]}}, "momentum changes from step to step"),
        ({"model": "unet_resnet18", "groups": {"name": "by_stage", "frozen": ["stem"], "thaw": 0.5}}, "stages that"),
        ({"model": "unet_resnet18", "groups": {"name": "by_stage", "frozen": ["stem"]}}, None),
    ],
)
def test_what_keeps_a_run_from_being_recorded_is_said(small: Make, fields: dict[str, Any], why: str | None) -> None:
    config = small(cuda_graph=True, **fields).config
    parts = build_parts(config, CPU)
    found = obstacle(config, parts, CUDA)
    assert found is None if why is None else str(found).startswith(why)
    assert obstacle(config, parts, CPU) == "the device is no GPU"


def test_a_scaler_and_an_optimizer_that_is_not_fused_keep_it_from_being_recorded(small: Make) -> None:
    config = small(cuda_graph=True).config
    parts = build_parts(config, CPU)
    scaled = replace(parts, scaler=torch.amp.GradScaler("cpu"))
    assert str(obstacle(config, scaled, CUDA)).startswith("fp16")
    loose = replace(parts, optimizers=(torch.optim.SGD(parts.model.parameters(), lr=0.1),))
    assert "fused" in str(obstacle(config, loose, CUDA))
