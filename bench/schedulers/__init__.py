"""Learning-rate shapes: build(**options) -> f(progress in [0, 1]) -> factor >= 0.

A shape that looks at scores besides has `after(scores)`; `bench.run.rates` multiplies the two.  One that moves the
momentum too has `momentum(progress)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Schedule = Callable[[float], float]

SCHEDULERS = {
    "constant": "bench.schedulers.constant:constant",
    "cosine": "bench.schedulers.cosine:cosine",
    "cyclic": "bench.schedulers.cyclic:cyclic",
    "linear": "bench.schedulers.linear:linear",
    "multistep": "bench.schedulers.steps:multistep",
    "one_cycle": "bench.schedulers.one_cycle:one_cycle",
    "plateau": "bench.schedulers.plateau:plateau",
    "poly": "bench.schedulers.poly:poly",
    "step": "bench.schedulers.steps:step",
}
