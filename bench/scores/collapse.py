"""Counts of one method's seeds, at the end and along the way -> the classes that it lost, and since which step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.scores.counts import iou

if TYPE_CHECKING:
    from bench.scores.counts import Confusion

    Course = tuple[Confusion, Sequence[tuple[int, Confusion]]]
    """A run's counts at the end, and (step, counts) of each evaluation along the way."""

DEAD = 0.01
"""IoU below which a class that has labels counts as lost."""


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """A class lost in `seeds` of `of` runs.

    `since` has an entry per such run: the first evaluation from which on the class stayed dead, None where no
    evaluation tells; `born` counts the runs in which some evaluation before saw it alive.
    """

    index: int
    seeds: int
    of: int
    since: tuple[int | None, ...]
    born: int


def dead(confusion: Confusion) -> set[int]:
    """The classes with labels whose IoU is below DEAD."""
    labelled = [sum(row) > 0 for row in confusion]
    return {k for k, value in enumerate(iou(confusion)) if labelled[k] and value is not None and value < DEAD}


def collapsed(runs: Sequence[Course]) -> list[Collapse]:
    """Classes dead at the end of at least one of `runs` (one per seed), in the order of the classes."""
    ends = [dead(end) for end, _ in runs]
    looks = [[(step, dead(counts)) for step, counts in sorted(along, key=lambda look: look[0])] for _, along in runs]
    found = []
    for k in sorted(set().union(*ends)):
        since = [_since(k, look) for end, look in zip(ends, looks, strict=True) if k in end]
        steps = tuple(step for step, _ in since)
        found.append(Collapse(index=k, seeds=len(since), of=len(runs), since=steps, born=sum(b for _, b in since)))
    return found


def _since(k: int, looks: Sequence[tuple[int, set[int]]]) -> tuple[int | None, bool]:
    """(first step of the unbroken row of dead evaluations at the end or None, whether it was alive before)."""
    first = None
    for step, gone in reversed(looks):
        if k not in gone:
            return first, True
        first = step
    return first, False
