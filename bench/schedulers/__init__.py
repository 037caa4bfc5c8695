"""Learning-rate shapes: build(**options) -> f(progress in [0, 1)) -> factor >= 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Schedule = Callable[[float], float]

SCHEDULERS = {
    "constant": "bench.schedulers.constant:constant",
    "poly": "bench.schedulers.poly:poly",
}
