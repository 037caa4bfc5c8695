"""Progress of training -> half a wave, from 1 down to a floor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.schedulers.limits import between

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def cosine(*, floor: float = 0.0) -> Schedule:
    """Half a cosine from 1 to `floor`: slow, fast, slow.

    Gives f(progress) = floor + (1 - floor) (1 + cos(pi progress)) / 2, and `floor` from progress 1 on.  Raises
    BenchError for a floor outside [0, 1].

    Source: Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5.  Differs from the paper in: no restarts.
    """
    between("floor", floor, 0, 1)
    return lambda progress: floor + (1 - floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
