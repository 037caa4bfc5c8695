"""A model, a method and batches -> an updated model, told step by step.  THE loop: one for every method and device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.optimizers.rate import set_lr

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.methods.method import Method
    from bench.models.segmodel import SegModel


@dataclass(frozen=True)
class Progress:
    """What happened since the last report: `step` updates made so far; `losses[name]` one value per step since then.

    `lr_factor` is the last step's.  A value that is not finite means that no update was made from that step on.
    """

    step: int
    losses: dict[str, tuple[float, ...]]
    lr_factor: float


class FinitenessGuard:
    """Withholds every update from the first bad loss on, without the host looking at the device.

    Fused optimizers skip an update while their `found_inf` tensor is 1, the mechanism GradScaler uses; here that tensor
    is one flag that is only ever raised.  All of ours are fused; one that is not would still be told of at the next
    report, its weights spoilt by then.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer], device: torch.device) -> None:
        self.bad, self.one = torch.zeros((), device=device), torch.ones((), device=device)
        for optimizer in optimizers:
            optimizer.found_inf = self.bad  # type: ignore[attr-defined]

    def look(self, loss: Tensor) -> None:
        """Raise the flag if `loss` is nan or infinite; GradScaler's own check, which also multiplies the loss by 1.

        Public functions need two or three operations for it: 7 to 19 microseconds more of each step on a CPU.
        """
        torch._amp_foreach_non_finite_check_and_unscale_([loss], self.bad, self.one)


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
) -> Iterator[Progress]:
    """Make updates `start` + 1 .. `steps`; yields after each update n with `pause(n)` and after the last.

    `lr_factor(step)` scales each group's `initial_lr` for the update that follows `step` updates.  Between two yields
    the host never waits for the device.  The caller may evaluate and save at a yield; the model is put back into
    training mode after it.
    """
    guard = None if scaler else FinitenessGuard(optimizers, device)
    history: dict[str, list[Tensor]] = {}
    model.train()
    for step in range(start, steps):
        factor = lr_factor(step)
        set_lr(optimizers, factor)
        batch = next(batches)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        for name, loss in method.losses(model, batch):
            (scaler.scale(loss) if scaler else loss).backward()  # type: ignore[no-untyped-call]
            loss = loss.detach()
            history.setdefault(name, []).append(loss)  # stays on the device: read at the next pause
            if guard:
                guard.look(loss)
        for optimizer in optimizers:
            if scaler:
                scaler.step(optimizer)
            else:
                optimizer.step()
        if scaler:
            scaler.update()
        method.after_step(model)
        done = step + 1
        if pause(done) or done == steps:
            yield Progress(done, _read(history), factor)
            history.clear()
            model.train()


def _read(history: dict[str, list[Tensor]]) -> dict[str, tuple[float, ...]]:
    """The only place where the host reads the device."""
    return {name: tuple(torch.stack(values).float().tolist()) for name, values in history.items()}
