"""A model, a method and batches -> an updated model, told step by step.  THE loop: one for every method and device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.groups.freezing import resting, thaw
from bench.optimizers.rate import set_lr, set_momentum
from bench.update import Make, Update

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.methods.method import Method
    from bench.models.segmodel import SegModel


@dataclass(frozen=True)
class Progress:
    """What happened since the last report: `step` updates made so far; `losses[name]` one value per step since then.

    None where a method had no such loss at a step.  `lr_factor` is the last step's.  A value that is not finite means
    that no update was made from that step on.
    """

    step: int
    losses: dict[str, tuple[float | None, ...]]
    lr_factor: float


class History:
    """Scalars of the steps since the last report, on the device."""

    def __init__(self) -> None:
        self.steps = 0
        self.values: dict[str, list[Tensor]] = {}
        self.at: dict[str, list[int]] = {}

    def note(self, name: str, value: Tensor) -> None:
        """Take in a scalar of the step that is being made; one of the same name in the same step is added to it."""
        at = self.at.setdefault(name, [])
        values = self.values.setdefault(name, [])
        if at and at[-1] == self.steps:
            values[-1] = values[-1] + value
        else:
            values.append(value)
            at.append(self.steps)

    def read(self) -> dict[str, tuple[float | None, ...]]:
        """The only place where the host reads the device."""
        read: dict[str, tuple[float | None, ...]] = {}
        for name, values in self.values.items():
            found = dict(zip(self.at[name], torch.stack(values).float().tolist(), strict=True))
            read[name] = tuple(found.get(step) for step in range(self.steps))
        return read


def train(
    model: SegModel,
    method: Method,
    optimizers: Sequence[torch.optim.Optimizer],
    batches: Iterator[Batch],
    *,
    steps: int,
    lr_factor: Callable[[int], float],
    pause: Callable[[int], bool],
    device: torch.device,
    scaler: torch.amp.GradScaler | None = None,
    start: int = 0,
    accumulate: int = 1,
    follow: Callable[[SegModel], None] | None = None,
    momentum: Callable[[int], float] | None = None,
    capture: Callable[[Update], Make] | None = None,
) -> Iterator[Progress]:
    """Make updates `start` + 1 .. `steps`; yields after each update n with `pause(n)` and after the last.

    `lr_factor(step)` scales each group's `initial_lr` for the update that follows `step` updates.  An update takes
    `accumulate` of the `batches`, its gradient being that of the mean of their losses; statistics of BN see them one by
    one.  `follow(model)` comes after each, for an average of the weights; `momentum(step)` is the first optimizer's.
    Updates are made by what `capture` makes of them, if anything.  Between two yields the host never waits for the
    device.  The caller may evaluate and save at a yield; the model is put back into training mode after it.
    """
    update = Update(model, method, optimizers, device, scaler, accumulate)
    make = capture(update) if capture else update
    history, rests = History(), bool(resting(model).stages)
    model.train()
    for step in range(start, steps):
        factor = lr_factor(step)
        set_lr(optimizers, factor)
        if momentum:
            set_momentum(optimizers[0], momentum(step))
        if rests and thaw(model, step / steps):
            model.train()  # what learns again has its statistics move again
            thaw(model, step / steps)
        make((next(batches) for _ in range(accumulate)), history.note)
        method.after_step(model)
        if follow:
            follow(model)
        history.steps += 1
        done = step + 1
        if pause(done) or done == steps:
            yield Progress(done, history.read(), factor)
            history = History()
            model.train()
