"""Progress of training -> one rise and one long fall, both half a cosine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.schedulers.limits import between, inside
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.schedulers import Schedule


class OneCycle:
    """What calling it gives is the factor of the rate at any progress."""

    def __init__(self, rise: float, first: float, last: float) -> None:
        self.rise, self.first, self.last = rise, first, last

    def __call__(self, progress: float) -> float:
        return self.between(progress, self.first, 1.0, self.last)

    def between(self, progress: float, first: float, top: float, last: float) -> float:
        """From `first` to `top` and on to `last`, at `progress`."""
        if progress < self.rise:
            return _glide(first, top, progress / self.rise)
        return _glide(top, last, min((progress - self.rise) / (1 - self.rise), 1.0))


class Mirrored(OneCycle):
    """A cycle beside which momentum goes the other way, from the greater of two values to the less and back."""

    def __init__(self, rise: float, first: float, last: float, low: float, high: float) -> None:
        super().__init__(rise, first, last)
        self.low, self.high = low, high

    def momentum(self, progress: float) -> float:
        """Momentum, or Adam's first beta: greatest where the rate is least."""
        return self.between(progress, self.high, self.low, self.high)


def one_cycle(
    *, rise: float = 0.25, first: float = 0.04, last: float = 1e-5, momentum: tuple[float, float] | None = None
) -> Schedule:
    """One cycle: up from `first` to 1 over the share `rise` of the schedule, then down to `last`, along half cosines.

    With `momentum`, such as [0.85, 0.95], the optimizer's own (for Adam its first beta) goes from the second value to
    the first while the rate rises, and back while it falls; networks of a method's own keep theirs.  Needs an optimizer
    that has one.

    Raises BenchError for a `rise` that is not in (0, 1), for ends outside [0, 1] and for momenta that are not two in
    (0, 1), the less one first.

    Source: L. N. Smith and N. Topin, arXiv 1708.07120, section 3, in the shape and with the numbers that fastai gave it
    (start at 1/25, end at 1/100000); momentum L. N. Smith, arXiv 1803.09820, section 4.3.  Differs from the paper in:
    half cosines for straight lines; one fall to the very end for two; momentum stays as it is unless asked for.
    """
    inside("rise", rise, 0, 1)
    between("first", first, 0, 1)
    between("last", last, 0, 1)
    if momentum is None:
        return OneCycle(rise, first, last)
    low, high = momentum
    inside("momentum", low, 0, 1)
    inside("momentum", high, 0, 1)
    if low > high:
        remedy = f"write the less one first: [{high:g}, {low:g}]"
        raise BenchError(f"momentum is {low:g} to {high:g}", remedy=remedy, key="scheduler.momentum")
    return Mirrored(rise, first, last, low, high)


def _glide(start: float, end: float, share: float) -> float:
    return start + (end - start) * (1 - math.cos(math.pi * share)) / 2
