"""What a results folder holds -> the rows of its tables: runs that differ in the seed only are one row, and what was
planned and has no record is a row that says so.

A row of fewer than ENOUGH_STEPS updates, or of fewer images seen than its source split holds, is a `demonstration`:
it shows that a run works, not how good a method is, and is never ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bench.report import staleness, wording
from bench.report.results import Cell, Result, mean_cell, merged
from bench.spec import Component, Failure, RunConfig, RunRecord, Sweep, printable
from bench.store import Contents, Memory, Stored

ENOUGH_STEPS = 500
"""Updates below which a network from random weights has hardly left its start, however small its source split is."""

Origin = Literal["local", "reference"]
State = Literal[
    "finished", "demonstration", "planned", "failed", "diverged", "oom", "died", "hung", "data", "interrupted"
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Runs of one configuration and any number of seeds.

    `config` is that of the first seed; `results` (one per seed) is empty unless the state is finished or
    demonstration; `ids` name the records, or the runs that were planned; `stale` the parts of the code that have
    changed since.
    """

    config: RunConfig
    state: State
    reason: str
    origin: Origin
    seeds: tuple[int, ...]
    ids: tuple[str, ...]
    results: tuple[Result, ...]
    order: tuple[int, str]
    stale: tuple[str, ...] = ()

    @cached_property
    def cells(self) -> dict[str, Cell | None]:
        """Domain -> its mIoU over the seeds, None where it was not measured."""
        return {d: merged([r.cell(d) for r in self.results]) for d in self.config.evaluate_on}

    @cached_property
    def mean(self) -> Cell | None:
        """The mean over the evaluated domains, None unless every one of them was measured."""
        return merged([mean_cell([r.cell(d) for d in self.config.evaluate_on]) for r in self.results])

    @cached_property
    def gap(self) -> float | None:
        """mIoU on the source domain minus the mean over the other evaluated domains."""
        others = [self.cells[d] for d in self.config.evaluate_on if d != self.config.source]
        home = self.cells.get(self.config.source)
        values = [c.value for c in others if c is not None]
        if home is None or not values or len(values) < len(others):
            return None
        return home.value - sum(values) / len(values)

    @property
    def records(self) -> list[RunRecord]:
        return [r.stored.record for r in self.results]


@dataclass(frozen=True, kw_only=True)
class Board:
    """Rows that may stand in one table: one sweep, one dataset with its options, the same scored labels.

    `notes` say in a sentence each what a reader must know and no cell can hold.
    """

    sweep: str
    about: str
    dataset: Component
    domains: tuple[str, ...]
    synthetic: bool
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Item:
    """One run before seeds are put together; without a record `result` is None.

    `changed` are the parts of its code that have changed since, with the digests they had.
    """

    config: RunConfig
    state: State
    reason: str
    origin: Origin
    id: str
    result: Result | None
    order: tuple[int, str]
    changed: tuple[tuple[str, str | None], ...] = ()


def boards(contents: Contents) -> list[Board]:
    """Every table that the folder gives, in the order of sweep name, dataset and evaluated domains."""
    results = _results(contents)
    failures = {f.run_id: f for f in sorted(contents.failures, key=lambda f: (f.finished_utc, f.reason))}
    found: list[Board] = []
    for sweep, plans in _sweeps(contents).items():
        items = list(_items(sweep, plans, results, failures))
        about = next((p.about for p, _ in plans if p.about), "")
        for group in wording.grouped(sorted(items, key=_table_of), _table_of):
            found += _tables(sweep, about, group, failures)
    return found


def _newest(runs: Iterable[Stored[RunRecord]]) -> dict[tuple[str, str], Stored[RunRecord]]:
    """(run id, origin) -> the last attempt."""
    return {(s.record.run_id, s.origin): s for s in sorted(runs, key=lambda s: s.attempt)}


def _results(contents: Contents) -> dict[tuple[str, str], Result]:
    """(run id, origin) -> the scores of its last attempt; what takes long is worked out now and remembered."""
    memory = Memory(contents.work / "intervals.json" if contents.work else None)
    results = {place: Result(stored, memory) for place, stored in _newest(contents.runs).items()}
    for result in results.values():
        result.measure()
    memory.save()
    return results


def _sweeps(contents: Contents) -> dict[str, list[tuple[Sweep, Origin]]]:
    """Sweep name -> its plans, this machine's first; a sweep that only records name has none."""
    named = {f.sweep for f in contents.failures} | {s.record.sweep for s in contents.runs}
    plans: dict[str, list[tuple[Sweep, Origin]]] = {n: [] for n in named | {s.name for s, _ in contents.sweeps}}
    for sweep, origin in sorted(contents.sweeps, key=lambda pair: pair[1]):
        plans[sweep.name].append((sweep, "reference" if origin == "reference" else "local"))
    return dict(sorted(plans.items()))


def _items(
    sweep: str,
    plans: list[tuple[Sweep, Origin]],
    results: dict[tuple[str, str], Result],
    failures: dict[str, Failure],
) -> Iterator[_Item]:
    """The runs of one sweep: what its plans list, and records or failures that name the sweep and left the plan."""
    planned: dict[str, tuple[int, RunConfig, Origin]] = {}
    for plan, origin in plans:
        for run in plan.runs:
            planned.setdefault(run.run_id, (len(planned), run.config, origin))
    last = len(planned)
    for (run_id, _), result in results.items():
        if run_id in planned or result.record.sweep == sweep:
            position = planned[run_id][0] if run_id in planned else last
            yield _finished(result, (position, result.record.name))
    for run_id, (position, config, origin) in planned.items():
        if (run_id, "local") in results or (origin == "reference" and (run_id, "reference") in results):
            continue
        yield _unfinished(run_id, config, failures.get(run_id), origin, (position, run_id))
    for run_id, failure in failures.items():
        if failure.sweep == sweep and run_id not in planned and (run_id, "local") not in results:
            yield _unfinished(run_id, failure.config, failure, "local", (last, failure.name))


def _finished(result: Result, order: tuple[int, str]) -> _Item:
    record = result.record
    short = record.steps < ENOUGH_STEPS or record.images_seen < record.source_images
    state: State = "demonstration" if short else "finished"
    origin, changed = result.stored.origin, staleness.changed(record)
    return _Item(record.config, state, "", origin, _named(result.stored), result, order, changed)


def _unfinished(
    run_id: str, config: RunConfig, failure: Failure | None, origin: Origin, order: tuple[int, str]
) -> _Item:
    if failure is None:
        return _Item(config, "planned", "", origin, run_id, None, order)
    return _Item(config, failure.state, printable(failure.reason, limit=100), "local", run_id, None, order)


def _named(stored: Stored[RunRecord]) -> str:
    return stored.record.run_id + (f" (attempt {stored.attempt})" if stored.attempt > 1 else "")


def _table_of(item: _Item) -> str:
    return wording.key_of([item.config.dataset.model_dump(), item.config.evaluate_on])


def _tables(sweep: str, about: str, items: list[_Item], failures: dict[str, Failure]) -> Iterator[Board]:
    """One board per set of scored labels: figures over other labels, or other classes, stand in another table."""
    rest = [i for i in items if not i.result]
    for number, group in enumerate(_comparable([i for i in items if i.result]) or [[]]):
        rows = _rows(group + (rest if number == 0 else []))
        notes = ["scored on labels that differ from those of the table above"] if number else []
        notes += [f for i in group if (f := _later_failure(i, failures))]
        notes += sorted({r.problem for row in rows for r in row.results if r.problem})
        notes += staleness.notes(rows)
        config = rows[0].config
        records = [r for row in rows for r in row.records]
        known = [r.synthetic for r in records] or [wording.synthetic(config.dataset.name)]
        yield Board(
            sweep=sweep,
            about=about,
            dataset=config.dataset,
            domains=config.evaluate_on,
            synthetic=any(known),
            rows=rows,
            notes=tuple(notes),
        )


def _comparable(items: list[_Item]) -> list[list[_Item]]:
    """Items scored on the same labels wherever both were scored, the largest group first."""
    groups: list[tuple[dict[str, str], list[_Item]]] = []
    for item in sorted(items, key=lambda i: (-len(_scored_on(i)), i.order, i.origin, i.id)):
        own = _scored_on(item)
        for labels, members in groups:
            if all(labels.setdefault(domain, value) == value for domain, value in own.items()):
                members.append(item)
                break
        else:
            groups.append((dict(own), [item]))
    return [members for _, members in sorted(groups, key=lambda group: -len(group[1]))]


def _scored_on(item: _Item) -> dict[str, str]:
    return item.result.scored_on if item.result else {}


def _later_failure(item: _Item, failures: dict[str, Failure]) -> str:
    """A record is shown although a newer attempt of its run ended badly: say so."""
    failure = failures.get(item.result.record.run_id) if item.result else None
    if failure is None or item.origin != "local":
        return ""
    told = wording.state(failure.state, printable(failure.reason, limit=100))
    return f"{item.id}: another attempt did not finish ({told})"


def _rows(items: list[_Item]) -> tuple[Row, ...]:
    """Items that differ in the seed only, put together; rows in the order of the plan."""
    items = sorted(items, key=lambda i: (i.order, i.config.seed, i.origin, i.id))
    rows = []
    for group in wording.grouped(items, _row_key):
        first = group[0]
        group = sorted(group, key=lambda i: (i.config.seed, i.id))
        rows.append(
            Row(
                config=first.config,
                state=first.state,
                reason=first.reason,
                origin=first.origin,
                seeds=tuple(i.config.seed for i in group),
                ids=tuple(i.id for i in group),
                results=tuple(i.result for i in group if i.result),
                order=first.order,
                stale=tuple(sorted({part for i in group for part, _ in i.changed})),
            )
        )
    return tuple(rows)


def _row_key(item: _Item) -> str:
    r = item.result.record if item.result else None
    seen: list[object] = [r.steps, r.images_seen, r.source_images] if r else []
    if item.origin == "local":  # what different code made is not one figure
        seen += item.changed
    plain = item.config.model_dump(mode="json", exclude={"seed"})
    return wording.key_of([plain, item.state, item.reason, item.origin, seen])
