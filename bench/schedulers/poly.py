"""Progress of training -> a power of what is left of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def poly(*, power: float = 0.9) -> Schedule:
    """Polynomial decay: (1 - progress) ** power, changed at every optimizer step.

    Gives f(progress) with progress = step / schedule_steps; the last of `schedule_steps` steps still learns, at
    (1 / schedule_steps) ** power, and the factor is 0 from progress 1 on.  `power` 1 is a straight line.

    Raises BenchError for a negative power.

    Source: Chen et al. 2016, arXiv 1606.00915, section 4.1.2.  As in the paper.
    """
    if not (math.isfinite(power) and power >= 0):
        raise BenchError(f"power is {power}", remedy="give a number that is not negative", key="scheduler.power")

    def factor(progress: float) -> float:
        # A negative base would give a complex number; 0 ** 0 would give 1 after the end.
        return (1.0 - progress) ** power if progress < 1.0 else 0.0

    return factor
