"""Batches on their way to the loop -> how many had not one labelled pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from bench.batches import Batch
from bench.spec import IGNORE

STRIDE = 997
"""A few pixels tell nearly every time that a batch has labels; all are looked at where they do not."""


class Blanks:
    """Counts the batches whose labels are IGNORE everywhere: their loss is 0, and they teach nothing."""

    def __init__(self) -> None:
        self.count: int | Tensor = 0

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The `batches`, counted as they are taken; on a GPU without waiting for it."""
        for batch in batches:
            if batch.labels.device.type == "cpu":
                self.count += int(_blank(batch.labels.numpy()))
            else:
                self.count = self.count + (batch.labels.amin() == IGNORE)
            yield batch
            del batch  # or its memory would still be held when the next one is made

    def state(self) -> dict[str, Any]:
        return {"count": int(self.count)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.count = state["count"]


def _blank(codes: np.ndarray) -> bool:
    """Whether all is void; apart, so that nobody holds a batch's memory when the next one is made."""
    return bool(codes.reshape(-1)[::STRIDE].min() == IGNORE and codes.min() == IGNORE)
