"""The way from a file to a Sweep, or to the list of all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import names
from bench.names.lineage import in_order
from bench.spec import BenchError, PlannedRun, RunConfig, Sweep, counted
from bench.sweep.cells import MAX_RUNS, MAX_VALUES, Cell, cells, count, place, values
from bench.sweep.check import Checker
from bench.sweep.controls import with_controls
from bench.sweep.document import Where, read
from bench.sweep.exclusion import Exclusion
from bench.sweep.overrides import apply
from bench.sweep.readable import readable
from bench.sweep.sections import Point, Reader, Sections, TooMany
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
    """What is wrong with a sweep file, in the order of its lines, up to a hundred faults; empty when it is sound."""
    return _expand(path, overrides)[1]


def locator(path: Path, overrides: Sequence[str] = ()) -> Callable[[BenchError, RunConfig], BenchError]:
    """What gives a fault, found when the parts of a run of this file were built, the place where its key was written.

    A fault is left as it is where the file says nothing of its key; reference rows (`controls`) have places of `base`.
    """
    reader, checked, id_of = Reader(read(path)), Checker(), names.id_reader()
    sections = apply(reader.sections(), overrides, reader)
    known = {id_of(config): cell for cell in cells(sections) if (config := checked(cell)[0]) is not None}
    shared = Cell((), sections.base, {})

    def located(error: BenchError, config: RunConfig) -> BenchError:
        cell = known.get(id_of(config), shared)
        if error.line is not None or error.key.partition(".")[0] not in cell.raw:
            return error
        there = reader.document.error(cell.written(error.key), error.problem)
        if error.file is not None:  # a file that the key names
            error.problem = f"{error.file}: {error.problem}"
        error.file, error.line, error.column, error.key = there.file, there.line, there.column, there.key
        return error

    return located


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
    raise BenchError(f"'{expression}' matches none of {counted(len(sweep.runs), 'run')}", remedy=remedy, key="-k")


def _expand(path: Path, overrides: Sequence[str]) -> tuple[Sweep | None, list[BenchError]]:
    """(the sweep, []) or (None, its faults)."""
    try:
        reader = Reader(read(path))
    except BenchError as error:
        return None, [error]
    try:
        sections = apply(reader.sections(), overrides, reader)
        good = _good(reader, sections, strict=not overrides)
    except TooMany:
        good = {}
    if reader.faults:
        return None, sorted(reader.faults, key=_line_and_column)
    good = {run_id: good[run_id] for run_id in in_order(good)}
    shown = iter(readable(list(good.values()), list(good)))
    runs = tuple(PlannedRun(name=next(shown), run_id=run_id, config=config) for run_id, config in good.items())
    found = Sweep(name=sections.name, about=sections.about, runs=runs, cost=sections.cost, trackers=sections.trackers)
    return found, []


def _line_and_column(error: BenchError) -> list[int]:
    """Faults of `--set` have neither, and come first."""
    return [number for number in (error.line, error.column) if number is not None]


MAX_TOLD = 1_000
"""Faults, equal ones counted again: a slip in `base` is one in each of thousands of cells."""


def _good(reader: Reader, sections: Sections, strict: bool) -> dict[str, RunConfig]:
    """The runs that stay, by id and in order; what is wrong goes to `reader`.

    In a file that could not be read whole, a missing key is but the echo of a misspelt one.  An idle `exclude` is a
    slip only when `strict`: `--set` may have taken its cells away.
    """
    if (total := count(sections)) > MAX_RUNS or values(sections) > MAX_VALUES:
        over = f"more than {MAX_RUNS}" if total > MAX_RUNS else "too many for a file this large"
        reader.fault(("grid",), f"{total} runs are {over}", "split the sweep")
        raise TooMany
    whole, told = not reader.faults, 0
    check, id_of, exclusion = Checker(), names.id_reader(), Exclusion(sections.exclude)
    good: dict[str, RunConfig] = {}
    first: dict[str, Point] = {}
    for cell in cells(sections):
        config, wrong = check(cell)
        if exclusion.removes(cell, config):
            continue
        if config is not None:
            run_id = id_of(config)
            good[run_id] = config
            if (twin := first.setdefault(run_id, cell.point)) is not cell.point:
                _tell_twins(reader, twin, cell.point)
        for error in wrong:
            if whole or error.key.partition(".")[0] in cell.raw:
                reader.fault(_place(cell, error), error.problem, error.remedy)
        told += len(wrong)
        if told > MAX_TOLD:
            break
    if not reader.faults:
        if sections.controls:
            good = _controlled(reader, good)
        if not good:
            key, remedy = ("exclude", "exclude less") if sections.exclude else ("include", "add a cell, or a grid")
            reader.fault((key,), "no run is left", remedy)
        for where in exclusion.idle if strict else ():
            reader.fault(where, "excludes no run of the grid", "write values as in `grid`, or remove the entry")
    return good


def _controlled(reader: Reader, good: dict[str, RunConfig]) -> dict[str, RunConfig]:
    every = with_controls(good)
    if all(names.sees_of_target(config.method) != "images" for config in good.values()):
        reader.fault(("controls",), "no run adapts to a target", "add a method that does, or remove the line")
    if any(config.choose == "agreement" for config in good.values()):
        problem = "controls have no teacher that `choose: agreement` could ask"
        reader.fault(("controls",), problem, "choose by another score, such as snd")
    if len(every) > MAX_RUNS:
        reader.fault(("controls",), f"{len(every)} runs are more than {MAX_RUNS}", "split the sweep")
    return every


def _place(cell: Cell, error: BenchError) -> Where:
    where = cell.written(error.key)
    if error.problem.startswith("unknown option") and isinstance(where[-1], int):
        return where[:-1]  # of `optimizer.rl: [0.1, 0.2]` the name of the axis is wrong, not its first value
    return where


def _tell_twins(reader: Reader, twin: Point, point: Point) -> None:
    """Two cells that are one run: counts would be wrong, so both are named."""
    places = {setting.where for setting in twin}
    where = next((s.where for s in point if s.where not in places), point[0].where)
    problem = f"cells '{place(twin)}' and '{place(point)}' are the same run"
    reader.fault(where, problem, "remove one of the two")
