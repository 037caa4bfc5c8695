"""A board -> the table of its runs: who is ahead where the intervals allow to say so, and what has not run."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import staleness, wording
from bench.report.markdown import Markup, code, escape, joined, table
from bench.report.places import ranked
from bench.report.results import Cell
from bench.report.rows import Board, Row
from bench.report.settings import Differences, common, differences


def markdown(board: Board) -> str:
    """Heading, table and notes of one board."""
    found = differences(board.rows)
    lines = [f"#### {title(board)}", ""]
    if board.about:
        lines += [escape(board.about), ""]
    lines += [_table(board, found), ""]
    shared = [f"dataset {wording.component(board.dataset)}", *common(board.rows, found)]
    notes = [f"In every row: {'; '.join(shared)}.", *board.notes]
    return "\n".join(lines + [f"- {escape(note)}" for note in notes]).rstrip() + "\n"


def title(board: Board) -> Markup:
    """Sweep, dataset and domains; synthetic data is called so."""
    return Markup(f"{escape(board.sweep)}: {data_title(board.dataset.name, board.domains, board.synthetic)}")


def data_title(dataset: str, domains: Sequence[str], synthetic: bool) -> Markup:
    """`landcover (synthetic data), scored on urban and rural`."""
    scored = joined((wording.domain(d, dataset) for d in domains), " and ")
    return Markup(f"{escape(dataset)}{' (synthetic data)' if synthetic else ''}, scored on {scored}")


def _table(board: Board, found: Differences) -> str:
    home, several = board.dataset.name, len(board.domains) > 1
    gaps = any(row.gap is not None for row in board.rows)
    scores = [f"mIoU (%) {wording.domain(d, home)}" for d in board.domains]
    header = ["place", "model", "source", "method", "loss", "scheduler", *(["settings"] if found.fields else [])]
    header += ["seeds", "steps", "images seen", *scores, *(["mean mIoU (%)"] if several else [])]
    header += [*(["gap"] if gaps else []), "measured", "runs"]
    lines = []
    for row, place in ranked(board.rows):
        cells = [place, *names(row, found), *([found.settings(row)] if found.fields else [])]
        cells += [", ".join(map(str, row.seeds)), *progress(row)]
        cells += [score(row, row.cells[d]) for d in board.domains] + ([score(row, row.mean)] if several else [])
        cells += [wording.percent(row.gap)] if gaps else []
        lines.append([*cells, measured(row), runs(row)])
    return table(header, lines, right=["steps", "images seen", *scores, "mean mIoU (%)", "gap"])


def names(row: Row, found: Differences) -> list[str]:
    """Model, source, method, loss and scheduler; options stand there only where they tell rows apart."""
    config, home = row.config, row.config.dataset.name
    model = wording.model(config.model, found.options["model", config.model.name])
    method = found.component("method", config.method)
    if config.target is not None:
        method += f" to {wording.domain(config.target, home)}"
    source = wording.domain(config.source, home)
    return [model, source, method, found.component("loss", config.loss), found.component("scheduler", config.scheduler)]


def score(row: Row, cell: Cell | None) -> Markup:
    """`37.9 [35.0, 40.7]`, `37.9 ± 0.8` over seeds, with the classes averaged where some are absent.

    A row that has results but none here says so; a row without results has an empty cell.
    """
    if cell is None:
        return Markup("not measured" if row.results else "")
    text = wording.percent(cell.value)
    if cell.std is not None:
        text += f" ± {wording.percent(cell.std)}"
    elif cell.low is not None:
        text += f" [{wording.percent(cell.low)}, {wording.percent(cell.high)}]"
    if any(n != cell.classes for n in cell.counted):
        text += f" ({wording.spread(cell.counted)} of {cell.classes} classes)"
    return Markup(text)


def progress(row: Row) -> tuple[str, str]:
    """(updates made, images seen and how many passes over the source split that is)."""
    if not row.results:
        return ("", "")
    record = row.records[0]  # the same for every seed: `rows` puts only such runs together
    passes = wording.passes(record.images_seen, record.source_images)
    often = f" ({passes} x {record.source_images:,})" if passes else ""
    return (f"{record.steps:,}", f"{record.images_seen:,}{often}")


def runs(row: Row) -> Markup:
    """The names of the records, reference ones marked."""
    return Markup(joined(map(code, row.ids)) + (" (reference)" if row.origin == "reference" else ""))


def measured(row: Row) -> str:
    """Where the figures come from: reference or this machine, the device, the commit, and what has changed since."""
    origin = wording.ORIGINS[row.origin]
    if not row.results:
        return origin
    devices = wording.distinct(r.device for r in row.records)
    commits = wording.commits((r.commit, r.dirty) for r in row.records)
    stale = staleness.words(row)
    return f"{origin}; {', '.join(devices)}; {commits}" + (f"; stale ({stale})" if stale else "")
