"""Progress of training -> triangles: straight up, straight down, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.schedulers.limits import between, inside

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def cyclic(*, half: float = 0.1, low: float = 0.01) -> Schedule:
    """Triangles between `low` and 1, beginning at `low`; `half` of one takes that share of the schedule.

    The optimizer's `lr` is the upper end.  Half an epoch of 20 is `half: 0.025`.  Raises BenchError for a `half` that
    is not in (0, 1) and a `low` outside [0, 1].

    Source: L. N. Smith 2017, arXiv 1506.01186, section 3.1, the triangular policy (where half a cycle is 2 to 10
    epochs).  As in the paper.
    """
    inside("half", half, 0, 1)
    between("low", low, 0, 1)

    def factor(progress: float) -> float:
        halves = min(progress, 1.0) / half
        height = halves % 2
        return low + (1 - low) * (height if height <= 1 else 2 - height)

    return factor
