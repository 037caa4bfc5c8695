"""Segmentation losses: build(**options) -> f(outputs, labels) -> scalar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Loss = Callable[[dict[str, Tensor], Tensor], Tensor]

LOSSES = {
    "combined": "bench.losses.combined:combined",
    "cross_entropy": "bench.losses.cross_entropy:cross_entropy",
    "ohem": "bench.losses.ohem:ohem",
    "pidnet": "bench.losses.pidnet:pidnet",
}
