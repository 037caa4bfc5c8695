"""Leaderboards and timings -> per device which models no other model beats in both score and time.

A model's score is that of its best finished run; runs that only demonstrate, and half precision whose score nobody
measured, stay out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import wording
from bench.report.devices import Device, named
from bench.report.figures import median
from bench.report.leaderboard import title
from bench.report.markdown import Markup, escape, table
from bench.report.processes import NO_WEIGHTS, Setting, Work
from bench.report.rows import Board
from bench.report.rows import Row as Runs
from bench.report.timings import Row
from bench.report.works import NUMBERS, Labels
from bench.spec import Component

STAR = "★"

NOTE = (
    f"Mean mIoU (%) of each model's best finished run beside its end-to-end median (ms); {STAR}: no other model of the "
    "table is as good and faster on that device, or better and as fast. Intervals are not taken into account."
)


@dataclass(frozen=True)
class Point:
    """A model on a device: mean mIoU in [0, 1] and milliseconds; `best` where it stands on the front."""

    work: Work
    device: Device
    miou: float
    ms: float
    best: bool


@dataclass(frozen=True)
class Trade:
    """The points of one board; those of one device and setting compete."""

    board: Board
    rows: tuple[Row, ...]
    points: tuple[Point, ...]


def trades(boards: Sequence[Board], rows: Sequence[Row]) -> list[Trade]:
    """One per board with at least two models that have both a score and a time on one device."""
    found = []
    for board in boards:
        scores, classes = best_scores(board)
        timed = [row for row in rows if row.work.setting.classes == classes and _counts(row) and _model(row) in scores]
        points: list[Point] = []
        for same in wording.grouped(timed, lambda row: (row.device, row.work.setting)):
            plain = [(row, scores[_model(row)], row.pooled["e2e"].median) for row in same]
            points += (Point(r.work, r.device, s, ms, _best(s, ms, plain)) for r, s, ms in plain if len(plain) > 1)
        if points:
            found.append(Trade(board, tuple(timed), tuple(points)))
    return found


def best_scores(board: Board) -> tuple[dict[str, float], int]:
    """Model -> its best mean mIoU over finished runs, and the number of classes."""
    scores: dict[str, float] = {}
    finished = [row for row in board.rows if row.state == "finished" and row.mean is not None]
    for row in finished:
        if row.mean is not None:
            scores[_of_run(row)] = max(row.mean.value, scores.get(_of_run(row), 0.0))
    return scores, len(finished[0].records[0].classes) if finished else 0


def _of_run(row: Runs) -> str:
    return _bare(row.config.model)


def _model(row: Row) -> str:
    return _bare(row.work.component)


def _bare(model: Component) -> str:
    return wording.key_of([model.name, {k: v for k, v in model.options.items() if k not in NO_WEIGHTS}])


def _counts(row: Row) -> bool:
    setting: Setting = row.work.setting
    return "e2e" in row.pooled and setting.batch == 1 and setting.precision == "fp32"


def _best(score: float, ms: float, others: Sequence[tuple[Row, float, float]]) -> bool:
    return not any((s >= score and t < ms) or (s > score and t <= ms) for _, s, t in others)


def markdown(found: Sequence[Trade]) -> str:
    """A table per board; '' without one."""
    if not found:
        return ""
    return "\n".join([*(_section(trade) for trade in found), f"- {NOTE}"]) + "\n"


def _section(trade: Trade) -> str:
    names = named(point.device for point in trade.points)
    labels = Labels(point.work for point in trade.points)
    scores = {point.work: point.miou for point in trade.points}
    marks = {(point.work, point.device): point.best for point in trade.points}
    rows = {(row.work, row.device): row for row in trade.rows}
    lines = []
    for work in sorted(scores, key=lambda w: (w.setting, -scores[w], w.model)):
        cells = [*labels.cells(work), wording.percent(scores[work])]
        for device in names:
            shown = rows.get((work, device))
            star = f" {STAR}" if marks.get((work, device)) else ""
            cells.append(Markup(median(shown) + star) if shown else "")
        lines.append(cells)
    header = [*labels.header, "mean mIoU (%)", *(f"{name} (ms)" for name in names.values())]
    shared = f"In every row: {escape(labels.shared)}."
    right = [*NUMBERS, *header[len(labels.header) :]]
    return "\n".join([f"#### {title(trade.board)}", "", shared, "", table(header, lines, right), ""])
