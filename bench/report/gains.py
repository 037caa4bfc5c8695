"""Groups of matched runs -> what each method gains over source-only, how much of the gap that is, and who is ahead.

What takes long is remembered under all that decides it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from bench.report import wording
from bench.report.controls import CONTROLS, ORACLE, SOURCE_ONLY, Group, groups, mismatch
from bench.report.rows import Board, Row
from bench.spec import Frozen
from bench.store import Contents, Memory

if TYPE_CHECKING:
    from bench.scores.paired import Each, Estimate, Recovered, Resampled

METHOD = 1
"""Raised whenever the same counts give other figures: remembered ones no longer hold then."""


class Figure(Frozen):
    """A number and its interval, or why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str = ""

    @property
    def above(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def below(self) -> bool:
        return self.high is not None and self.high < 0


class RowFigures(Frozen):
    """A row's figures, of the mIoU first and then of each class; `gain` and `share` are empty for want of a control."""

    score: tuple[Figure, ...] = Field(min_length=1)
    gain: tuple[Figure, ...] = ()
    share: tuple[Figure, ...] = ()


class Figures(Frozen):
    """What a group's counts give: a row each, the gap, and (i, j) where row i beats row j, interval and all."""

    rows: tuple[RowFigures, ...]
    gap: tuple[Figure, ...] = ()
    beats: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Gains:
    """A group with its figures, row by row; `images` is how many the target's scores are over."""

    group: Group
    figures: Figures

    @cached_property
    def rows(self) -> tuple[tuple[Row, RowFigures], ...]:
        """Controls first, then methods by falling mean, demonstrations last."""
        found = list(zip(self.group.rows, self.figures.rows, strict=True))
        found.sort(key=lambda pair: (not is_control(pair[0]), pair[0].state != "finished", self._order(pair)))
        return tuple(found)

    def _order(self, pair: tuple[Row, RowFigures]) -> tuple[float, str]:
        row, figures = pair
        if is_control(row):
            return (CONTROLS.index(row.config.method.name), wording.key_of(row.ids))
        return (-(figures.score[0].value or 0.0), wording.key_of(row.ids))

    def place(self, row: Row) -> str:
        """The range of places that paired intervals leave open, or why there is none."""
        if is_control(row):
            return "control"
        if row.state != "finished":
            return row.state
        if row.config.choose == "oracle":
            return "oracle pick"
        able = [i for i, other in enumerate(self.group.rows) if self._rankable(i, other)]
        own = self.group.rows.index(row)
        if own not in able:
            return "one seed" if len(row.seeds) == 1 else "not ranked"
        above = sum((i, own) in self.figures.beats for i in able)
        below = sum((own, i) in self.figures.beats for i in able)
        first, last = 1 + above, len(able) - below
        return str(first) if first == last else f"{first} to {last}"

    def _rankable(self, index: int, row: Row) -> bool:
        there = self.figures.rows[index].score[0].low is not None
        return there and row.state == "finished" and not is_control(row) and len(row.seeds) > 1

    def refused(self, row: Row, control: str = SOURCE_ONLY) -> str:
        """Why `row` may not be held against a control, or ''."""
        return self.group.unmatched(row, control)

    def verdict(self, row: Row, figures: RowFigures) -> str:
        """What the interval of the gain allows to say; '' where nothing is to be said."""
        if row.config.method.name in (SOURCE_ONLY, ORACLE) or row.state != "finished":
            return ""
        gain = figures.gain[0] if figures.gain else None
        if gain is None or gain.low is None:
            return "not compared"
        told = "above" if gain.above else "below" if gain.below else "not told apart"
        return f"{told}, one seed" if len(row.seeds) == 1 else told


def is_control(row: Row) -> bool:
    return row.config.method.name in CONTROLS


def gains(contents: Contents, found: Iterable[Board]) -> list[Gains]:
    """Every group of every board with its figures; worked out once for given counts."""
    memory = Memory(contents.work / "adaptation.json" if contents.work else None)
    every = [Gains(group, _remembered(group, memory)) for board in found for group in groups(board)]
    memory.save()
    return every


def _remembered(group: Group, memory: Memory) -> Figures:
    config = group.config.model_dump(mode="json", exclude={"method", "target", "seed"})
    about = [group.board.sweep, config, group.rows[0].origin, group.target]
    name = hashlib.sha256(wording.key_of(about).encode()).hexdigest()
    mark = hashlib.sha256(wording.key_of(_deciding(group)).encode()).hexdigest()
    if (known := memory.recall(name, mark)) is not None:
        try:
            figures = Figures.model_validate(known)
            if len(figures.rows) == len(group.rows):
                return figures
        except ValidationError:
            pass
    figures = _worked_out(group)
    memory.learn(name, mark, figures.model_dump(mode="json", exclude_defaults=True))
    return figures


def _deciding(group: Group) -> list[object]:
    """All that the figures depend on."""
    found: list[object] = [METHOD, group.target]
    for row in group.rows:
        names = [SOURCE_ONLY, ORACLE]
        matched = [row is group.control(n) for n in names] + [not group.unmatched(row, n) for n in names]
        counted = [r.cell(group.target).low is not None for r in row.results]  # type: ignore[union-attr]
        runs = [[r.images_sha256, r.images_scored, r.confusion.get(group.target)] for r in row.records]
        found.append([row.seeds, row.state, row.config.method.name, matched, counted, runs])
    return found


# ------------------------------------------------------------------ figures


def _worked_out(group: Group) -> Figures:
    from bench.scores import paired

    scored = [_Scored(plain, full) for plain, full in _scored(group)]
    at = {id(row): one for row, one in zip(group.rows, scored, strict=True)}
    source_only, oracle = group.control(SOURCE_ONLY), group.control(ORACLE)
    rows = []
    for row, own in zip(group.rows, scored, strict=True):
        gain: tuple[Figure, ...] = ()
        share: tuple[Figure, ...] = ()
        if source_only and row is not source_only and not group.unmatched(row, SOURCE_ONLY):
            gain = _plain(paired.difference(*_alike(own, at[id(source_only)])))
            if oracle and row is not oracle and not group.unmatched(row, ORACLE):
                share = _shares(paired.recovered(*_alike(own, at[id(source_only)], at[id(oracle)])))
        rows.append(RowFigures(score=_plain(paired.score(own.best)), gain=gain, share=share))
    gap = rows[group.rows.index(oracle)].gain if oracle else ()
    return Figures(rows=tuple(rows), gap=gap, beats=tuple(_beats(group, scored)))


@dataclass(frozen=True)
class _Scored:
    """A row's scores without resamples, and with them where its images are known."""

    plain: Resampled
    full: Resampled | None

    @property
    def best(self) -> Resampled:
        return self.full or self.plain


def _scored(group: Group) -> Iterable[tuple[Resampled, Resampled | None]]:
    """Rows of the same seeds share their resamples; seeds are paired by their order."""
    import numpy as np

    from bench.scores.paired import Draws

    shared: dict[tuple[int, ...], Draws] = {}
    for row in group.rows:
        sums = [np.array([r.record.confusion[group.target]], dtype=np.int64) for r in row.results]
        plain = shared.setdefault((0, *row.seeds), Draws(1, range(len(sums))))
        counts = [found for r in row.results if (found := r.per_image(group.target)) is not None]
        full = None
        if len(counts) == len(sums):
            images = len(counts[0])
            full = shared.setdefault((images, *row.seeds), Draws(images, range(len(counts)))).scored(counts)
        yield plain.scored(sums), full


def _alike(*rows: _Scored) -> list[Resampled]:
    """All with resamples, or all without."""
    full = [row.full for row in rows if row.full is not None]
    return full if len(full) == len(rows) else [row.plain for row in rows]


def _beats(group: Group, scored: Sequence[_Scored]) -> Iterable[tuple[int, int]]:
    """Pairs of methods of the same seeds that their paired interval tells apart, the better one first."""
    from bench.scores import paired

    for i, j in combinations(range(len(scored)), 2):
        one, other = group.rows[i], group.rows[j]
        if is_control(one) or is_control(other) or mismatch(one, other, "the other"):
            continue
        between = paired.difference(*_alike(scored[i], scored[j])).overall
        if between.above or between.below:
            yield (i, j) if between.above else (j, i)


def _plain(found: Each[Estimate]) -> tuple[Figure, ...]:
    return tuple(Figure(value=e.value, low=e.low, high=e.high) for e in (found.overall, *found.classes))


def _shares(found: Each[Recovered]) -> tuple[Figure, ...]:
    told = []
    for one in (found.overall, *found.classes):
        e = one.share
        told.append(Figure(value=e.value, low=e.low, high=e.high) if e else Figure(refused=one.refused))
    return tuple(told)
