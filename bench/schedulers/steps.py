"""Progress of training -> stairs: the rate is multiplied by `gamma` at certain moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.schedulers.limits import TINY, between, inside
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def step(*, every: float = 0.5, gamma: float = 0.1) -> Schedule:
    """Stairs of equal length: times `gamma` after each `every`, a share of the schedule.

    Gives f(progress) = gamma ** floor(progress / every); "every 10 of 20 epochs" is `every: 0.5`.  Raises BenchError
    for a share that is not in (0, 1) and a gamma outside [0, 1].  As in the paper (there is none).
    """
    inside("every", every, 0, 1)
    between("gamma", gamma, 0, 1)
    return lambda progress: float(gamma ** int(min(progress, 1.0) / every + TINY))


def multistep(*, at: tuple[float, ...] = (0.5, 0.75), gamma: float = 0.1) -> Schedule:
    """Stairs of any lengths: times `gamma` at each of `at`, shares of the schedule.

    Gives f(progress) = gamma ** (how many of `at` are reached).  Raises BenchError unless `at` rises within (0, 1), and
    for a gamma outside [0, 1].

    Source: the defaults are those of He et al. 2016, arXiv 1512.03385, section 4.2, CIFAR-10 (32 k and 48 k of 64 k).
    As in the paper.
    """
    between("gamma", gamma, 0, 1)
    for share in at:
        inside("at", share, 0, 1)
    if not at or list(at) != sorted(set(at)):
        raise BenchError(f"at is {list(at)}", remedy="list rising shares, such as [0.5, 0.75]", key="scheduler.at")
    return lambda progress: float(gamma ** sum(share <= progress + TINY for share in at))
