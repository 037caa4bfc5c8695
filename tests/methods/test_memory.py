"""How much memory a step of each method holds at its peak, beside a step of source-only: on tensors without memory."""

from __future__ import annotations

import functools
import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from bench import names
from bench.methods import METHODS
from bench.run.rehearsal import on_nothing
from bench.spec import Component, RunConfig

MOST = 2.2
"""Times source-only's peak; a method that trains a second network may hold more."""

SIZE, IMAGES = (512, 512), 6
CASES: dict[str, Any] = {
    **{name: name for name in sorted(METHODS) if name not in ("combined", "distillation")},  # which trains two networks
    "fda + self_training + mic": {"name": "combined", "parts": [{"name": n} for n in ("fda", "self_training", "mic")]},
}


class Living(TorchDispatchMode):
    """Bytes of all storages that operations have made and nobody has let go yet, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, torch.Tensor):
                self.see(value)
        return result

    def see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        size = storage.nbytes()

        def gone(reference: Any) -> None:
            self.known.discard(reference)
            self.now -= size

        reference = weakref.ref(storage, gone)
        if reference not in self.known:
            self.known.add(reference)
            self.now += size
            self.peak = max(self.peak, self.now)


def config(method: Any, model: str) -> RunConfig:
    return names.resolve_config(
        RunConfig(
            model=Component(name=model),
            dataset=Component(name="landcover"),
            source="urban",
            target="rural",
            evaluate_on=("rural",),
            method=Component.model_validate(method),
            steps=100,
            batch_size=IMAGES,
        )
    )


@functools.cache
def peak(case: str, model: str = "unet_resnet18", *, hold: bool = False) -> int:
    """Bytes at the peak of the last of 100 steps, with weights and gradients.

    `hold` keeps every loss until the step is over, as a script does that adds them up first: the control.
    """
    parts, batch = on_nothing(config(CASES[case], model), SIZE, images=IMAGES)
    optimizers = (*parts.optimizers, *parts.method.optimizers)
    with Living() as living:
        for tensor in (*parts.model.parameters(), *parts.model.buffers()):
            living.see(tensor.data)
        held = []
        for _, loss in parts.method.losses(parts.model, replace(batch, step=99)):
            if hold:
                held.append(loss)
            else:
                loss.backward()
            del loss
        if held:
            sum(held).backward()  # type: ignore[union-attr]
        for optimizer in optimizers:
            optimizer.step()
        parts.method.after_step(parts.model)
    gc.collect()
    return living.peak


def times(case: str, model: str = "unet_resnet18") -> float:
    """How many times source-only's peak that is."""
    found, base = peak(case, model), peak("source_only", model)
    print(f"{model}, {case}: {found / base:.2f} x source-only's {base / 1e6:.0f} MB")
    return found / base


@pytest.mark.parametrize("case", CASES)
def test_no_method_holds_much_more_than_source_only(case: str) -> None:
    assert times(case) <= MOST


def test_nor_does_one_with_two_discriminators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "levels", {"name": "adaptsegnet", "multi_level": True})
    assert times("levels", "pidnet_s") <= MOST


@pytest.mark.parametrize("case", ["adaptsegnet", "mic"])
def test_one_graph_is_held_at_a_time(case: str) -> None:
    assert peak(case, hold=True) > 1.3 * peak(case)


def test_what_is_let_go_is_not_counted() -> None:
    with Living() as living:
        for _ in range(10):
            torch.empty(1000, device="meta") + 1
        assert living.now == 0
        kept = torch.empty(1000, device="meta")
        view = kept[:10]
        assert living.now == 4000
        del kept
        assert living.now == 4000
        del view
    assert (living.now, living.peak) == (0, 8000)
