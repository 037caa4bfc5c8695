"""The way from a file to a Sweep, or to the list of all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import names
from bench.spec import BenchError, PlannedRun, RunConfig, Sweep
from bench.sweep.cells import MAX_RUNS, Cell, cells, count
from bench.sweep.check import check
from bench.sweep.document import Document, read
from bench.sweep.exclusion import Exclusion
from bench.sweep.overrides import apply
from bench.sweep.readable import readable
from bench.sweep.sections import Reader, Sections
from bench.sweep.selection import selector


def load_sweep(path: Path, *, overrides: Sequence[str] = (), select: str | None = None) -> Sweep:
    """The runs of a sweep file, complete and in order: the grid's first axis slowest, seeds fastest, then `include`.

    `overrides` are the texts of `--set`, `select` that of `-k`.  Raises BenchError: the first fault in the file, which
    says how many more there are.
    """
    sweep, faults = _expand(path, overrides)
    if faults:
        raise _with_rest(faults, path)
    assert sweep is not None
    return sweep if select is None else _select(sweep, select)


def problems(path: Path, overrides: Sequence[str] = ()) -> list[BenchError]:
    """All that is wrong with a sweep file, in the order of its lines; empty when it is sound."""
    return _expand(path, overrides)[1]


def _with_rest(faults: list[BenchError], path: Path) -> BenchError:
    first, more = faults[0], len(faults) - 1
    if more:
        first.remedy = f"{first.remedy} ({more} more: bench validate {path})".lstrip()
    return first


def _select(sweep: Sweep, expression: str) -> Sweep:
    test = selector(expression)
    runs = tuple(run for run in sweep.runs if test(run.name))
    if runs:
        return sweep.model_copy(update={"runs": runs})
    words = {part for run in sweep.runs for part in re.split("[-+=]", run.name)}
    unknown = [w for w in re.findall(r"[^\s()]+", expression) if w not in ("and", "or", "not") and w not in words]
    remedy = names.near(unknown[0], words) if unknown else "ask for less at once"
    raise BenchError(f"'{expression}' matches none of the {len(sweep.runs)} runs", remedy=remedy, key="-k")


def _expand(path: Path, overrides: Sequence[str]) -> tuple[Sweep | None, list[BenchError]]:
    """(the sweep, []) or (None, all faults)."""
    try:
        document = read(path)
    except BenchError as error:
        return None, [error]
    reader = Reader(document)
    sections = apply(reader.sections(), overrides, reader)
    if (total := count(sections)) > MAX_RUNS:
        reader.fault(("grid",), f"{total} runs are more than {MAX_RUNS}", "split the sweep")
        return None, _sorted(reader.faults)
    exclusion = Exclusion(sections.exclude)
    good, faults = _checked(document, sections, exclusion, whole=not reader.faults)
    faults = [*reader.faults, *faults]
    ids = [names.id_of(config) for _, config in good]
    if not faults:
        faults = [*_idle(document, exclusion, good, overrides), *_twins(document, good, ids)]
    if faults:
        return None, _sorted(faults)
    configs = [config for _, config in good]
    triples = zip(readable(configs, ids), ids, configs, strict=True)
    runs = tuple(PlannedRun(name=name, run_id=run_id, config=config) for name, run_id, config in triples)
    return Sweep(name=sections.name, about=sections.about, runs=runs, cost=sections.cost), []


def _sorted(faults: list[BenchError]) -> list[BenchError]:
    return sorted(faults, key=lambda error: (error.line or 0, error.column or 0))


Good = list[tuple[Cell, RunConfig]]


def _checked(
    document: Document, sections: Sections, exclusion: Exclusion, whole: bool
) -> tuple[Good, list[BenchError]]:
    """The cells that stay, and the faults of the others, each told once however many cells share it.

    In a file that could not be read as a `whole`, a missing key is but the echo of a misspelt one.
    """
    good: Good = []
    faults: dict[tuple[str, str], BenchError] = {}
    for cell in cells(sections):
        config, wrong = check(cell)
        if exclusion.removes(cell, config):
            continue
        if config is not None:
            good.append((cell, config))
        for error in wrong:
            if whole or error.key.partition(".")[0] in cell.raw:
                fault = document.error(cell.written(error.key), error.problem, error.remedy)
                faults.setdefault((fault.key.rstrip(".0123456789"), fault.problem), fault)
    return good, list(faults.values())


def _idle(document: Document, exclusion: Exclusion, good: Good, overrides: Sequence[str]) -> Iterator[BenchError]:
    """A sweep without runs, and `exclude` entries that name no cell: a slip, unless `--set` took the cells away."""
    if not good:
        yield document.error(("exclude",), "no run is left", "exclude less")
    for where in exclusion.idle if not overrides else ():
        yield document.error(where, "excludes no run of the grid", "write values as in `grid`, or remove the entry")


def _twins(document: Document, good: Good, ids: list[str]) -> Iterator[BenchError]:
    """Cells that are one and the same run: counts would be wrong, so each pair is named."""
    first: dict[str, Cell] = {}
    for (cell, _), run_id in zip(good, ids, strict=True):
        twin = first.setdefault(run_id, cell)
        if twin is not cell:
            places = {setting.where for setting in twin.point}
            where = next((s.where for s in cell.point if s.where not in places), cell.point[0].where)
            problem = f"cells '{twin.place()}' and '{cell.place()}' are the same run"
            yield document.error(where, problem, "remove one of the two")
