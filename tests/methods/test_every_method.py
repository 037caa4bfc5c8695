"""What holds for each method of the table, with its defaults, with other options, and for several at once."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import importlib
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from method_toys import (
    CLASSES,
    CPU,
    META,
    STEPS,
    Running,
    Toy,
    built,
    images_of,
    running,
    same,
    setting,
    toy_batch,
    unlabelled,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench import names
from bench.batches import Batch
from bench.methods import METHODS
from bench.methods.discriminator import Discriminator
from bench.methods.method import Method, Setting
from bench.methods.unlabelled import Unlabelled
from bench.models.segmodel import SegModel
from bench.spec import BenchError

Name = str | list[Any]
CASES: dict[str, tuple[Name, dict[str, Any]]] = {
    **{name: (name, {}) for name in METHODS if name != "combined"},
    "adaptsegnet, levels": ("adaptsegnet", {"multi_level": True, "game": "least_squares"}),
    "advent, levels": ("advent", {"multi_level": True}),
    "minent, aux": ("minent", {"aux_weight": 0.0002}),
    "fda, bands": ("fda", {"beta": [0.01, 0.09], "entropy_weight": 0.005}),
    "self_training, weighted": ("self_training", {"pixel_weight": "local", "class_temperature": 0.1, "threshold": 0.4}),
    "mic, weighted": ("mic", {"class_temperature": 0.1, "threshold": 0.4, "mask_px": 8}),
    "cbst, early": ("cbst", {"warm_up": 0.1, "every": 0.3, "portion": 0.5}),
    "iast, early": ("iast", {"warm_up": 0.1, "every": 0.3, "alpha": 1.0, "beta": 0.2}),
    "distillation, given": ("distillation", {"teacher_weights": "file.pth", "temperature": 4.0}),
    "distillation, features": ("distillation", {"feature_weight": 0.1, "weight": 0.5}),
    "tent, episodic": ("tent", {"episodic": True}),
    "fda + self_training + mic": (["fda", "self_training", "mic"], {}),
    "color_transfer + advent + minent": (["color_transfer", "advent", "minent"], {}),
    "cbst + adaptsegnet + advent": ([{"name": "cbst", "warm_up": 0.1}, "adaptsegnet", "advent"], {}),
    "adabn + prior_correction": (["adabn", "prior_correction"], {}),
    "dacs + tent": (["dacs", "tent"], {}),
    "distillation + fda + mic": ([{"name": "distillation", "feature_weight": 0.1}, "fda", "mic"], {}),
}
every_method = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Discriminators of a few thousand parameters: most of the time was theirs."""
    small = functools.partial(Discriminator, width=4)
    monkeypatch.setattr("bench.methods.adversarial.Discriminator", small)


def started(case: str, **more: Any) -> Running:
    name, options = CASES[case]
    return running(name, **options, **more)


def of(case: str, classes: int = CLASSES) -> Method:
    name, options = CASES[case]
    return built(name, classes, **options)


def voids(step: int) -> Batch:
    return toy_batch(step, void=step == 2)


# -------------------------------------------------------------------- losses


@every_method
def test_losses_are_finite_whatever_is_labelled(case: str) -> None:
    run = started(case)
    losses = run.go(batches=voids)
    assert len(losses["segmentation"]) == STEPS
    assert losses["segmentation"][2] == 0  # nothing is labelled
    assert all(value is None or abs(value) < 1e3 for values in losses.values() for value in values)
    for parameter in run.model.parameters():
        assert parameter.isfinite().all()


@every_method
@pytest.mark.parametrize("shape", [{"n": 1}, {"classes": 2}])
def test_one_image_and_two_classes_are_enough(case: str, shape: dict[str, int]) -> None:
    losses = started(case, classes=shape.get("classes", CLASSES)).go(batches=lambda step: toy_batch(step, **shape))
    assert all(value is None or abs(value) < 1e3 for values in losses.values() for value in values)


@every_method
def test_the_supervised_loss_falls(case: str) -> None:
    seen = started(case).go(24, batches=lambda step: dataclasses.replace(toy_batch(step % 2), step=step))
    assert sum(seen["segmentation"][-4:]) < 0.85 * sum(seen["segmentation"][:4])


@every_method
def test_half_precision_gives_finite_losses(case: str) -> None:
    run = started(case)
    run.model.autocast_dtype = torch.bfloat16
    losses = run.go(STEPS)
    assert all(value is None or abs(value) < 1e3 for values in losses.values() for value in values)
    network = run.method.adapted(run.model).eval()
    assert network(images_of(0))["out"].dtype == torch.float32


@every_method
def test_a_target_of_another_size_works_or_is_refused(case: str) -> None:
    run = started(case)
    mixing = {"dacs", "mic", "self_training"} & set(str(CASES[case][0]).replace("'", " ").split())
    with pytest.raises(BenchError, match="32x32, the target's 48x40") if mixing else contextlib.nullcontext():
        losses = run.go(2, batches=lambda step: toy_batch(step, target_size=(40, 48)))
        assert all(value is None or abs(value) < 1e3 for values in losses.values() for value in values)


# -------------------------------------------------------------------- one graph at a time


class Peak:
    """Forward passes with gradients since the last backward: each leaves a graph."""

    def __init__(self, model: Toy) -> None:
        self.graphs = self.peak = 0
        model.register_forward_hook(self._count)

    def _count(self, model: Any, inputs: Any, outputs: dict[str, Tensor]) -> None:
        if outputs["out"].requires_grad:
            self.graphs += 1
            self.peak = max(self.peak, self.graphs)

    def run(self, method: Method, model: Toy) -> int:
        for step in (0, STEPS - 1):
            for _, loss in method.losses(model, toy_batch(step)):
                loss.backward()
                self.graphs = 0
        return self.peak


class TwoAtOnce(Method):
    """Wrong on purpose."""

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        first, second = (model(batch.images)["out"].square().mean() for _ in range(2))
        yield "first", first
        yield "second", second


@every_method
def test_one_graph_is_alive_at_a_time(case: str) -> None:
    run = started(case)
    assert Peak(run.model).run(run.method, run.model) == 1


def test_the_check_catches_two_graphs_at_once() -> None:
    run = running("source_only")
    assert Peak(run.model).run(TwoAtOnce(run.method.loss), run.model) == 2


# -------------------------------------------------------------------- resuming


@functools.cache
def finished(case: str) -> dict[str, Any]:
    """The state after a whole run."""
    run = started(case)
    run.go()
    return copy.deepcopy(run.state())


def resumed(case: str, at: int, *, forgetful: bool = False) -> dict[str, Any]:
    """The state after a run that another process took up at step `at`, through a file."""
    first, file = started(case), io.BytesIO()
    first.go(at)
    torch.save(first.state(), file)
    second = started(case, seed=2)
    if forgetful:
        second.method.load_state_dict = lambda state: None  # type: ignore[method-assign]
    file.seek(0)
    second.load(torch.load(file, weights_only=True))
    second.go(start=at)
    return second.state()


@every_method
def test_a_run_goes_on_where_it_was_saved(case: str) -> None:
    assert same(finished(case), resumed(case, 3))
    assert same(finished(case), resumed(case, STEPS - 1))


STATEFUL = ["adaptsegnet", "advent", "mic, weighted", "cbst, early", "iast, early", "dacs + tent"]
STATEFUL += ["distillation", "distillation + fda + mic"]


@pytest.mark.parametrize("case", STATEFUL)
def test_the_check_catches_a_method_that_saves_nothing(case: str) -> None:
    assert not same(finished(case), resumed(case, 5, forgetful=True))


# -------------------------------------------------------------------- waiting for the device


class NoWaiting(TorchDispatchMode):
    """Refuses copies between devices that the host waits for; what it reads fails on the meta device by itself."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        result = func(*args, **kwargs)
        if name in ("_to_copy", "copy_"):
            source = args[0] if name == "_to_copy" else args[1]
            patient = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
            if source.device != result.device and not patient:
                raise RuntimeError(f"the host waited: {name}")
        return result


def meta_step(method: Method, *, guarded: bool = True) -> list[str]:
    """The losses of two steps without memory, the second watched: constants are made in the first."""
    with META:
        model = Toy()
    method.attach(model, dataclasses.replace(setting(device=META), target=None))
    found: list[str] = []
    for step in (STEPS - 2, STEPS - 1):
        batch = toy_batch(step)
        target = torch.empty_like(batch.images, device="meta")
        batch = Batch(batch.images.to("meta"), batch.labels.to("meta"), target, step=step, seed=7)
        with NoWaiting() if guarded and step == STEPS - 1 else torch.enable_grad():
            for name, loss in method.losses(model, batch):
                assert loss.shape == ()
                loss.backward()
                found.append(name)
            for value in method.watched.values():
                assert value.shape == ()
            method.after_step(model)
    return found


@every_method
def test_a_step_without_memory_shows_that_the_host_never_waits(case: str) -> None:
    assert meta_step(of(case))[0] == "segmentation"


class Looks(Method):
    """Wrong on purpose: reads a value, asks how many pixels there are, or copies without going on."""

    def __init__(self, how: str) -> None:
        self.how = how

    def losses(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        out = model(batch.images)["out"]
        if self.how == "value":
            out = out * float(batch.labels.max())
        elif self.how == "size":
            out = out[out > 0]
        elif self.how == "back":
            out = out.cpu()
        else:
            out = out * torch.tensor([[2.0]]).to(out.device)
        yield "segmentation", out.mean()


@pytest.mark.parametrize("how", ["value", "size", "back", "there"])
def test_the_check_catches_a_step_that_waits(how: str) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        meta_step(Looks(how))


@pytest.mark.gpu
@every_method
def test_a_card_is_never_waited_for(case: str) -> None:
    card = torch.device("cuda")
    model, method = Toy().to(card), of(case)
    method.attach(model, dataclasses.replace(setting(device=card), target=None))
    batches = [
        Batch(b.images.to(card), b.labels.to(card), b.target_images.to(card), step=b.step, seed=7)  # type: ignore[union-attr]
        for b in map(toy_batch, range(STEPS))
    ]
    for batch in batches:
        torch.cuda.set_sync_debug_mode("default" if batch.step == 0 else "error")
        try:
            for _, loss in method.losses(model, batch):
                loss.backward()
            method.after_step(model)
        finally:
            torch.cuda.set_sync_debug_mode("default")


# -------------------------------------------------------------------- what a method sees


@pytest.mark.parametrize("name", sorted({*METHODS} - {"combined"}))
def test_the_table_says_what_a_method_asks_for(name: str) -> None:
    method, row = built(name), METHODS[name]
    assert method.needs_target == (row.target == "images")
    assert (method.labels_from != "source") == (row.target == "labels")


UNSEEN = [name for name, row in METHODS.items() if row.target != "images"]
AFTERWARDS = ["adabn", "prior_correction"]


@pytest.mark.parametrize("name", [*UNSEEN, *AFTERWARDS])
def test_without_the_target_in_a_batch_every_weight_and_statistic_is_the_same(name: str) -> None:
    seeing = running(name)
    seeing.go()
    blind = running(name)
    blind.go(batches=lambda step: toy_batch(step, target=False))
    assert same(seeing.state(), blind.state())
    if name != "distillation":  # which learns from more than labels, and not from the target
        assert same(seeing.model.state_dict(), finished("source_only")["model"])


def test_the_check_catches_a_method_that_looks() -> None:
    assert not same(finished("minent")["model"], finished("source_only")["model"])
    with pytest.raises(ValueError, match="needs target images"):
        running("minent").go(1, batches=lambda step: toy_batch(step, target=False))


def test_no_label_of_the_target_can_be_reached() -> None:
    fields = {field.name for field in dataclasses.fields(Batch)}
    assert fields == {"images", "labels", "target_images", "step", "seed", "part"}
    assert {field.name for field in dataclasses.fields(Unlabelled)} == {"images", "names"}
    assert "labels" not in {field.name for field in dataclasses.fields(Setting)}


# -------------------------------------------------------------------- what is scored


@every_method
def test_what_is_scored_leaves_the_model_as_it_is(case: str) -> None:
    run = started(case)
    run.go(4)
    run.model.train().bn.eval()  # a mode of its own, as a frozen layer has
    run.model.stem.requires_grad_(False)
    before = copy.deepcopy(run.model.state_dict())
    modes = [(part.training) for part in run.model.modules()]
    wanted = [p.requires_grad for p in run.model.parameters()]
    network = run.method.adapted(run.model)
    if network is not run.model:
        assert not any(part.training for part in network.modules())
        assert not {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in run.model.parameters()}
        with torch.inference_mode():
            for n in (3, 1):
                outputs = network(images_of(0, n))
                assert outputs["out"].shape == (n, CLASSES, 16, 16)
                assert outputs["out"].isfinite().all()
    assert isinstance(network, SegModel)
    assert same(before, run.model.state_dict())
    assert modes == [(part.training) for part in run.model.modules()]
    assert wanted == [p.requires_grad for p in run.model.parameters()]
    assert [p.requires_grad for p in run.model.stem.parameters()] == [False, False]


@every_method
def test_whoever_adapts_while_predicting_says_so(case: str) -> None:
    run = started(case)
    network = run.method.adapted(run.model).eval()
    copied = copy.deepcopy(network)
    first = copied(images_of(3))["out"]
    again = copied(images_of(3))["out"]
    changed = not torch.equal(first, again)
    episodic = CASES[case][1].get("episodic", False)
    assert changed == (run.method.online and not episodic)
    assert torch.equal(copy.deepcopy(network)(images_of(3))["out"], first)  # the copy moved, what it was made of not


# -------------------------------------------------------------------- what is refused

WRONG = [
    ("adabn", {"batch_size": 0}),
    ("adaptsegnet", {"weight": -1.0}),
    ("adaptsegnet", {"discriminator_lr": 0.0}),
    ("advent", {"aux_weight": -1.0, "multi_level": True}),
    ("minent", {"weight": float("nan")}),
    ("fda", {"beta": 0.6}),
    ("fda", {"beta": []}),
    ("fda", {"beta": [0.1, -0.1]}),
    ("fda", {"eta": 0.1}),
    ("fda", {"entropy_start": 2.0}),
    ("color_transfer", {"strength": 1.5}),
    ("dacs", {"alpha": 1.1}),
    ("self_training", {"threshold": -0.1}),
    ("self_training", {"class_temperature": -1.0}),
    ("self_training", {"jitter": 2.0}),
    ("mic", {"mask_px": 0}),
    ("mic", {"mask_ratio": 1.1}),
    ("mic", {"blur_p": 2.0}),
    ("cbst", {"portion": 1.5}),
    ("cbst", {"warm_up": -0.5}),
    ("iast", {"beta": 2.0}),
    ("iast", {"gamma": -1.0}),
    ("tent", {"lr": 0.0}),
    ("distillation", {"temperature": 0.0}),
    ("distillation", {"weight": -1.0}),
    ("distillation", {"feature_weight": -1.0}),
    ("distillation", {"teacher_lr": 0.0}),
    ("distillation", {"teacher": "r-0123456789abcdef", "teacher_weights": "file.pth"}),
    ("prior_correction", {"iterations": 0}),
    ("prior_correction", {"strength": 2.0}),
]


@pytest.mark.parametrize(("name", "options"), WRONG)
def test_options_out_of_range_are_named(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(BenchError) as caught:
        built(name, **options)
    assert caught.value.key.split(".")[-1] in options
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "options"),
    [("adaptsegnet", {"multi_level": True}), ("advent", {"multi_level": True}), ("minent", {"aux_weight": 0.1})],
)
def test_levels_need_an_auxiliary_output(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match=r"'aux'.*aux: true"):
        running(name, aux=False, **options).go(1)


@pytest.mark.parametrize("name", ["adabn", "tent", "test_bn"])
def test_a_network_without_normalisation_is_refused(name: str) -> None:
    model = Toy()
    model.bn = torch.nn.Identity()  # type: ignore[assignment]
    with pytest.raises(BenchError, match=f"{name} adapts batch normalisation"):
        built(name).attach(model, setting())


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["fda", "fda"], "twice"),
        (["oracle", "fda"], "reference row"),
        (["fda", "source_only"], "reference row"),
        (["adabn", "tent"], "adabn and tent each bring statistics of BN"),
        (["test_bn", "adabn"], "each bring statistics of BN"),
        (["tent", "prior_correction"], "move it to the end"),
        (["dacs", "mic"], "dacs and mic each bring pseudo-labels"),
        (["self_training", "dacs"], "each bring pseudo-labels"),
        (["cbst", "iast"], "each bring pseudo-labels"),
        ([{"name": "self_training", "alpha": 0.9}, "mic"], "mic contains self_training"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(parts: list[Any], words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        built(parts)
    assert caught.value.key.startswith("parts.")


def test_mic_stands_for_self_training_beside_it() -> None:
    short, long = (running(parts) for parts in (["fda", "mic"], ["fda", "self_training", "mic"]))
    assert [type(part) for part in short.method.parts] == [type(part) for part in long.method.parts]  # type: ignore[attr-defined]
    assert set(long.go(2)) == {"segmentation", "mixed", "masked", "confident"}


@pytest.mark.parametrize("name", sorted({*METHODS}))
def test_a_docstring_tells_paper_cost_and_differences(name: str) -> None:
    module, function = METHODS[name].build.split(":")
    text = " ".join((getattr(importlib.import_module(module), function).__doc__ or "").split())
    if METHODS[name].paper:
        assert "Source: " in text
        assert "Passes over full images per step" in text
        assert re.search(r"Differs from the paper in: .+\.$|As in the paper\.$", text)
    if found := re.search(r"\d{4}\.\d{5}", METHODS[name].paper):
        assert found.group() in text


def test_every_option_has_a_plain_default() -> None:
    for name in {*METHODS} - {"combined"}:
        for key, option in names.options("method", name).items():
            assert option.default is not ..., f"{name}.{key}"


def test_the_toy_sees_two_domains() -> None:
    batch = toy_batch(0)
    assert batch.target_images is not None
    assert abs(batch.images.mean() - batch.target_images.mean()) > 0.1
    assert unlabelled().images.device == CPU
