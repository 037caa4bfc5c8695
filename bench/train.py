"""A model, a method and batches -> an updated model, told step by step.  THE loop: one for every method and device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.groups.freezing import resting, thaw
from bench.optimizers.guard import FinitenessGuard
from bench.optimizers.rate import set_lr

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
) -> Iterator[Progress]:
    """Make updates `start` + 1 .. `steps`; yields after each update n with `pause(n)` and after the last.

    `lr_factor(step)` scales each group's `initial_lr` for the update that follows `step` updates.  An update takes
    `accumulate` of the `batches`, its gradient being that of the mean of their losses; statistics of BN see them one by
    one.  `follow(model)` comes after each, for an average of the weights.  Between two yields the host never waits for
    the device.  The caller may evaluate and save at a yield; the model is put back into training mode after it.
    """
    guard = FinitenessGuard(optimizers, device)
    history, rests = History(), bool(resting(model).stages)
    model.train()
    for step in range(start, steps):
        factor = lr_factor(step)
        set_lr(optimizers, factor)
        if rests and thaw(model, step / steps):
            model.train()  # what learns again has its statistics move again
            thaw(model, step / steps)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        for _ in range(accumulate):
            batch = next(batches)
            for name, loss in method.losses(model, batch):
                if accumulate > 1:
                    loss = loss / accumulate
                (scaler.scale(guard.spoilt(loss)) if scaler else loss).backward()  # type: ignore[no-untyped-call]
                loss = loss.detach()
                history.note(name, loss)  # stays on the device: read at the next pause
                guard.look(loss)
            for name, value in method.watched.items():
                history.note(name, value.detach() / accumulate if accumulate > 1 else value.detach())
        for optimizer in optimizers:
            scaler.step(optimizer) if scaler else optimizer.step()
        if scaler:
            scaler.update()
        method.after_step(model)
        if follow:
            follow(model)
        history.steps += 1
        done = step + 1
        if pause(done) or done == steps:
            yield Progress(done, history.read(), factor)
            history = History()
            model.train()
