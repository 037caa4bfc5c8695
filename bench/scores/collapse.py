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
    return {k for k, value in enumerate(iou(confusion)) if sum(confusion[k]) and (value or 0) < DEAD}


def collapsed(runs: Sequence[Course]) -> list[Collapse]:
    """Classes dead at the end of at least one of `runs` (one per seed), in the order of the classes."""
    seen = [(dead(end), {step: dead(counts) for step, counts in along}) for end, along in runs]
    found = []
    for k in sorted(set().union(*(end for end, _ in seen))):
        since = [_since(k, sorted(looks.items())) for end, looks in seen if k in end]
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
