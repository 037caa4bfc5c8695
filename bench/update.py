"""Batches -> one update of the weights: what of the loop goes to the device, and so what a CUDA graph can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.optimizers.guard import FinitenessGuard

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.methods.method import Method
    from bench.models.segmodel import SegModel

Note = Callable[[str, Tensor], None]
"""Told the name and the value of each scalar of an update, on the device."""

Make = Callable[[Iterable["Batch"], Note], None]
"""What makes an update of the batches that it takes."""


class Update:
    """Makes one update of `accumulate` batches, its gradient being that of the mean of their losses.

    Rates, modes and what rests are set before.  From the first loss on that is not finite it moves no weight.
    """

    def __init__(
        self,
        model: SegModel,
        method: Method,
        optimizers: Sequence[torch.optim.Optimizer],
        device: torch.device,
        scaler: torch.amp.GradScaler | None = None,
        accumulate: int = 1,
    ) -> None:
        self.model, self.method, self.optimizers, self.device = model, method, optimizers, device
        self.scaler, self.accumulate = scaler, accumulate
        self.guard = FinitenessGuard(optimizers, device)

    def __call__(self, batches: Iterable[Batch], note: Note) -> None:
        method, scaler, accumulate, guard = self.method, self.scaler, self.accumulate, self.guard
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        for batch in batches:
            for name, loss in method.losses(self.model, batch):
                if accumulate > 1:
                    loss = loss / accumulate
                (scaler.scale(guard.spoilt(loss)) if scaler else loss).backward()  # type: ignore[no-untyped-call]
                loss = loss.detach()
                note(name, loss)  # stays on the device: read at the next pause
                guard.look(loss)
            for name, value in method.watched.items():
                note(name, value.detach() / accumulate if accumulate > 1 else value.detach())
        for optimizer in self.optimizers:
            scaler.step(optimizer) if scaler else optimizer.step()
        if scaler:
            scaler.update()
