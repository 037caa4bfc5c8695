"""Boards -> the scores behind a mIoU: IoU per class, and the accuracies and Dice that other papers print."""

from __future__ import annotations

from bench.report import wording
from bench.report.leaderboard import runs
from bench.report.markdown import Markup, table
from bench.report.rows import Board, Row
from bench.scores import Scores


def markdown(board: Board) -> str:
    """A folded table, one line per run and domain; '' for a board without results."""
    rows = [row for row in board.rows if row.results]
    lines = [line for row in rows for line in _lines(row, board)]
    if not lines:
        return ""
    classes = list(rows[0].records[0].classes)
    titles = [f"{number} {name}" for number, name in enumerate(classes)]
    header = ["runs", "domain", "pixel accuracy", "mean accuracy", "mean Dice", *titles]
    body = table(header, lines, right=header[2:])
    return f"<details>\n<summary>All scores in %, and IoU per class</summary>\n\n{body}\n\n</details>\n"


def _lines(row: Row, board: Board) -> list[list[str]]:
    lines = []
    for domain in board.domains:
        found = [r.scores[domain] for r in row.results if domain in r.scores]
        if len(found) < len(row.results):
            continue
        name = wording.domain(domain, board.dataset.name)
        mean = Markup(runs(row) + (" (mean)" if len(row.ids) > 1 else ""))
        lines.append([mean, name, *(mean_percent(v) for v in zip(*map(values, found), strict=True))])
    return lines


def values(found: Scores) -> list[float | None]:
    """Pixel accuracy, mean accuracy, mean Dice, IoU per class."""
    return [found.pixel_accuracy, found.mean_accuracy, found.mean_dice, *found.iou]


def mean_percent(found: tuple[float | None, ...]) -> str:
    """The mean over seeds in %; `absent` where a class occurs neither as a label nor as a prediction."""
    known = [v for v in found if v is not None]
    return wording.percent(sum(known) / len(known)) if len(known) == len(found) else "absent"
