"""Progress of training -> one rise and one long fall, both half a cosine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.schedulers.limits import between, inside

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def one_cycle(*, rise: float = 0.25, first: float = 0.04, last: float = 1e-5) -> Schedule:
    """One cycle: up from `first` to 1 over the share `rise` of the schedule, then down to `last`, along half cosines.

    Raises BenchError for a `rise` that is not in (0, 1) and for ends outside [0, 1].

    Source: L. N. Smith and N. Topin, arXiv 1708.07120, section 3, in the shape and with the numbers that fastai gave it
    (start at 1/25, end at 1/100000).  Differs from the paper in: half cosines for straight lines; one fall to the very
    end for two; momentum stays as it is.
    """
    inside("rise", rise, 0, 1)
    between("first", first, 0, 1)
    between("last", last, 0, 1)

    def factor(progress: float) -> float:
        if progress < rise:
            return _glide(first, 1.0, progress / rise)
        return _glide(1.0, last, min((progress - rise) / (1 - rise), 1.0))

    return factor


def _glide(start: float, end: float, share: float) -> float:
    return start + (end - start) * (1 - math.cos(math.pi * share)) / 2
