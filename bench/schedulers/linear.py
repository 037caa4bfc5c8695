"""Progress of training -> a straight line from 1 down to a floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.schedulers.limits import between

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def linear(*, floor: float = 0.0) -> Schedule:
    """A straight line from 1 to `floor`.

    Gives f(progress) = 1 - (1 - floor) progress, and `floor` from progress 1 on.  Raises BenchError for a floor outside
    [0, 1].  As in the paper (there is none).
    """
    between("floor", floor, 0, 1)
    return lambda progress: 1 - (1 - floor) * progress if progress < 1 else floor
