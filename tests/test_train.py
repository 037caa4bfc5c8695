"""The loop: the updates of a bare loop, told now and then, and none from the first bad loss on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.batches import Batch
from bench.methods.method import Method
from bench.models.segmodel import SegModel
from bench.optimizers.adamw import adamw
from bench.optimizers.sgd import sgd
from bench.train import Progress, train

CPU = torch.device("cpu")


class Tiny(SegModel):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.conv(images)}


class Two(Method):
    """Two losses with a graph each; `spoil` maps (update, value) to the value that is seen."""

    def __init__(self, spoil: Callable[[int, Tensor], Tensor] = lambda _, loss: loss) -> None:
        self.spoil, self.updates, self.alive = spoil, 0, 0

    def losses(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        assert model.training
        first = torch.nn.functional.cross_entropy(model(batch.images)["out"], batch.labels)
        yield "segmentation", self.spoil(self.updates, first)
        assert model.conv.weight.grad is not None  # the first graph has been run backward before the second is made
        yield "entropy", 0.1 * model(batch.images)["out"].pow(2).mean()

    def after_step(self, model: SegModel) -> None:
        self.updates += 1


def endless() -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(1)
    while True:
        images = torch.randn(2, 3, 4, 4, generator=generator)
        yield Batch(images, (images[:, 0] > 0).long())


def go(build: Any, method: Method, steps: int = 6, **options: Any) -> tuple[Tiny, list[Progress]]:
    model = Tiny()
    optimizer = build([{"params": list(model.parameters())}], lr=0.1)
    settings = {"lr_factor": lambda s: 1 - s / 10, "pause": lambda s: s % 2 == 0, "device": CPU} | options
    loop = train(model, method, (optimizer,), endless(), steps=steps, **settings)
    told = []
    for progress in loop:
        told.append(progress)
        model.eval()  # what scoring between two reports does: the loop goes back to training by itself
    return model, told


def bare(build: Any, steps: int = 6) -> Tiny:
    """The same training as anybody would write it."""
    model, batches = Tiny(), endless()
    optimizer = build([{"params": list(model.parameters())}], lr=0.1)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 10)
        batch = next(batches)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch.images)["out"], batch.labels)
        loss.backward()
        (0.1 * model(batch.images)["out"].pow(2).mean()).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("build", [sgd, adamw])
def test_the_updates_are_those_of_a_bare_loop(build: Any) -> None:
    model, told = go(build, Two())
    assert torch.equal(model.conv.weight, bare(build).conv.weight)
    assert [p.step for p in told] == [2, 4, 6]
    assert [len(p.losses["segmentation"]) for p in told] == [2, 2, 2]
    assert set(told[0].losses) == {"segmentation", "entropy"}
    assert told[-1].lr_factor == 0.5


def test_the_last_step_is_told_even_off_the_beat() -> None:
    assert [p.step for p in go(sgd, Two(), steps=5)[1]] == [2, 4, 5]
    assert [p.step for p in go(sgd, Two(), steps=5, start=3)[1]] == [4, 5]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("build", [sgd, adamw])
def test_no_update_is_made_from_the_first_bad_loss_on(build: Any, bad: float) -> None:
    model, told = go(build, Two(lambda n, loss: loss * bad if n == 3 else loss))
    good, _ = go(build, Two(), steps=3)
    assert torch.equal(model.conv.weight, good.conv.weight)  # updates 4, 5 and 6 were withheld, the last two too
    values = [v for p in told for v in p.losses["segmentation"]]
    assert [i for i, v in enumerate(values) if v != v or abs(v) == float("inf")] == [3]


def test_without_the_guard_the_weights_are_spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.update.FinitenessGuard.look", lambda *_: None)
    model, _ = go(sgd, Two(lambda n, loss: loss * float("nan") if n == 3 else loss))
    assert not model.conv.weight.isfinite().all()


def test_the_host_reads_the_device_only_between_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__"):
        real = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda self, *a, n=name, f=real, **k: (reads.append(n), f(self, *a, **k))[1])
    go(sgd, Two(), steps=6, pause=lambda s: False)
    assert reads == ["tolist", "tolist"]  # one for each loss, after the last step
