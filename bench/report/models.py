"""Boards and costs -> per model the table the field already uses, whichever sweep the runs came from.

Columns: version, data augmentation, source domain, batch size, criterion, optimizer, scheduler, epochs, whatever else
tells rows apart, mIoU per evaluated domain; below it parameters, FLOPs, mean inference time and its standard deviation.
A version is a row's number in its table, in the order of sweeps and of their plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.report import wording
from bench.report.costs import below_table
from bench.report.leaderboard import data_title, runs, score
from bench.report.markdown import Markup, code, escape, table
from bench.report.places import state
from bench.report.rows import Board, Row
from bench.report.settings import COLUMNS, Differences, differences, unusual, value
from bench.report.timings import Row as Timed
from bench.spec import CostRecord
from bench.store import Stored

OWN_COLUMNS = COLUMNS | {"augment", "crop_px", "resize_px", "batch_size", "optimizer"}
"""Fields of a configuration that these tables always show."""


def markdown(boards: Sequence[Board], costs: Iterable[Stored[CostRecord]], timed: Sequence[Timed] = ()) -> str:
    """One section per model, in the order of names; '' without a run."""
    costs = list(costs)
    pairs = [(board, row) for board in boards for row in board.rows]
    pairs.sort(key=lambda pair: pair[1].config.model.name)
    sections = []
    for group in wording.grouped(pairs, lambda pair: pair[1].config.model.name):
        name = group[0][1].config.model.name
        tables = wording.grouped(group, lambda pair: (wording.key_of(pair[0].dataset.model_dump()), pair[0].domains))
        parts = [f"#### Model name: {code(wording.model_label(name))}", ""]
        for pairs_of_table in tables:
            parts += _section(pairs_of_table)
        own = [s for s in costs if s.record.model.name == name]
        own_times = [row for row in timed if row.work.component.name == name]
        for line in below_table(own, own_times):
            parts += [line, ""]
        sections.append("\n".join(parts))
    return "\n".join(sections)


def _section(pairs: Sequence[tuple[Board, Row]]) -> list[str]:
    board = pairs[0][0]
    rows = list({(*row.ids, row.origin): row for _, row in pairs}.values())
    synthetic = any(b.synthetic for b, _ in pairs)
    home, dataset = board.dataset.name, wording.component(board.dataset)
    sizes = wording.distinct(wording.pixels(row.config.resize_px) for row in rows)
    title = data_title(dataset, [wording.domain(d, home) for d in board.domains], synthetic)
    lines = [f"Dataset: {title}", ""]
    if len(sizes) == 1:
        lines += [f"Resizing: {sizes[0] or 'none'}", ""]
    found = differences(rows, OWN_COLUMNS)
    if shared := unusual(rows[0].config, OWN_COLUMNS.union(found.fields)):
        lines += [f"In every row: {escape(shared)}", ""]
    return [*lines, _table(rows, board, sizes, found), ""]


def _table(rows: Sequence[Row], board: Board, sizes: Sequence[str], found: Differences) -> str:
    home = board.dataset.name
    scores = [f"mIoU (%) ({wording.domain(d, home)})" for d in board.domains]
    methods = any(row.config.method.name != "source_only" for row in rows)
    options = any(row.config.model.options != rows[0].config.model.options for row in rows)
    header = ["VERSION", "DATA AUG", "SRC DOMAIN", "BATCH SIZE", *(["METHOD"] if methods else [])]
    header += [*(["MODEL OPTIONS"] if options else [])]
    header += ["CRITERION", "OPTIMIZER", "SCHEDULER", "EPOCHS", *(["SETTINGS"] if found.fields else [])]
    header += [*scores, "RUNS"]
    lines = []
    for version, row in enumerate(rows):
        config = row.config
        cells = [_version(version, row), _augmentation(row, sizes), wording.domain(config.source, home)]
        cells += [str(config.batch_size)]
        if methods:
            target = f" to {wording.domain(config.target, home)}" if config.target else ""
            cells.append(wording.component(config.method) + target)
        if options:
            cells.append(wording.number(config.model.options))
        cells += [wording.component(part) for part in (config.loss, config.optimizer, config.scheduler)]
        cells += [_epochs(row), *([found.settings(row)] if found.fields else [])]
        cells += [*(_score(row, d) for d in board.domains), runs(row)]
        lines.append(cells)
    return table(header, lines, right=["BATCH SIZE", "EPOCHS", *scores])


def _version(number: int, row: Row) -> str:
    return str(number) if row.state == "finished" else f"{number} ({state(row)})"


def _augmentation(row: Row, sizes: Sequence[str]) -> str:
    parts = [wording.component(a) for a in row.config.augment]
    if row.config.crop_px is not None:
        parts.insert(0, f"crop {value(row.config, 'crop_px')}")
    if len(sizes) > 1:
        parts.insert(0, f"resize {value(row.config, 'resize_px')}")
    return ", ".join(parts) or "none"


def _epochs(row: Row) -> str:
    """Passes over the source split that were made; '' for a row that has not run."""
    if not row.results:
        return ""
    record = row.records[0]
    passes = wording.passes(record.images_seen, record.source_images)
    steps = f"{record.steps:,} step{'' if record.steps == 1 else 's'}"
    return f"{passes} ({steps})" if passes else steps


def _score(row: Row, domain: str) -> Markup:
    cell = row.cells[domain]
    seeds = f" (n = {cell.seeds} seeds)" if cell is not None and cell.seeds > 1 else ""
    return Markup(score(row, cell) + seeds)
