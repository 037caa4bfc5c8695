"""Processes that timed the same network, input and settings on one device with one software -> one row of a table.

Copies of a record count once, and which file was read first changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.report import wording
from bench.report.devices import Device
from bench.report.processes import Process, Work, of_costs, of_latency, spelled
from bench.report.repeats import Part, Pooled, pool
from bench.store import Contents, Stored

FEW = 100
"""Readings of a process below which its row has a dagger."""

SAID = ("few samples", "peak not checked")
"""Flags that a column or another remark tells already."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
WORST_FIRST = ("impossible", "invalid", "suspect", "launch-bound", "not checked", "ok")


@dataclass(frozen=True, kw_only=True)
class Row:
    """All processes of one row; `shown` are those with figures, `others` those without."""

    work: Work
    device: Device
    shown: tuple[Process, ...]
    others: tuple[Process, ...]

    @cached_property
    def pooled(self) -> dict[str, Pooled]:
        """Time -> the statistics of all processes together."""
        names = sorted({name for p in self.shown for name in p.times})
        every = {name: [p.times[name] for p in self.shown if name in p.times] for name in names}
        return {name: pool(Part(s.n, s.mean, s.std, s.median) for s in series) for name, series in every.items()}

    @property
    def words(self) -> str:
        """Why there are no figures; '' where there are."""
        if self.shown:
            return ""
        told = wording.distinct(f"refused: {p.refused}" if p.refused else f"failed: {p.failed}" for p in self.others)
        return "; ".join(sorted(told))

    @property
    def verdict(self) -> str:
        """The worst of the processes' verdicts."""
        found = [p.verdict for p in self.shown or self.others]
        return min(found, key=lambda v: WORST_FIRST.index(v) if v in WORST_FIRST else 0)

    @property
    def shaky(self) -> bool:
        """Whether a process did not converge, or has fewer than FEW readings."""
        return any(bool(p.timing and not p.timing.converged) or _readings(p) < FEW for p in self.shown)

    @property
    def macs(self) -> int | None:
        """Multiply-adds of one image."""
        return next((p.macs for p in self.shown if p.macs is not None), None)

    @property
    def newest(self) -> str:
        return max(p.measured_utc for p in (*self.shown, *self.others))

    @property
    def remarks(self) -> list[str]:
        """What a reader must know of the processes: not converged, few readings, flags, processes left out."""
        told = []
        late = [p.timing.not_converged for p in self.shown if p.timing and not p.timing.converged]
        if late:
            reasons = sorted({reason for words in late for reason in words.split(", ") if reason})
            told.append("not converged" + (f": {', '.join(reasons)}" if reasons else ""))
        fewest = min((_readings(p) for p in self.shown), default=FEW)
        if fewest < FEW:
            told.append(f"few readings ({fewest} in a process)" if len(self.shown) > 1 else f"few readings ({fewest})")
        told += [flag for flag in _merged(p.flags for p in self.shown) if not flag.startswith(SAID)]
        for other in self.others if self.shown else ():
            what = f"refused ({other.refused})" if other.refused else f"failed ({other.failed})"
            told.append(f"another process was {what}" if other.refused else f"another process {what}")
        return wording.distinct(told)


def _readings(process: Process) -> int:
    return process.times["e2e"].n if "e2e" in process.times else 0


def _merged(flags: Iterable[tuple[str, ...]]) -> list[str]:
    """Flags of all processes, each once; those that differ in a number as `std up to 22 % of mean`."""
    every = sorted({flag for own in flags for flag in own})
    same = wording.grouped(every, lambda flag: NUMBER.sub("#", flag.partition(" (")[0]))
    return [_worst(group) for group in same]


def _worst(same: list[str]) -> str:
    if len(same) == 1:
        return same[0]
    bare = wording.distinct(flag.partition(" (")[0] for flag in same)
    if len(bare) == 1:
        return bare[0]
    return NUMBER.sub(lambda found: f"up to {found[0]}", max(bare, key=_first_number), count=1)


def _first_number(flag: str) -> float:
    return float(NUMBER.findall(flag)[0])


# ------------------------------------------------------------------ processes -> rows


def rows(contents: Contents) -> tuple[list[Row], list[str]]:
    """Every row, in a fixed order, and in words what was left out because something newer stands in its place."""
    found = [p for stored in _distinct(contents.latencies) for p in of_latency(stored)]
    found += of_costs(_distinct(contents.costs))
    found.sort(key=lambda p: (p.work, p.device, p.measured_utc, p.session, spelled(p)))
    groups = [_row(group) for group in wording.grouped(found, lambda p: (p.work, p.device))]
    kept = [row for row, _ in groups]
    newest: dict[Any, int] = {}
    for row in kept:
        newest[_place(row)] = max(newest.get(_place(row), 0), row.device.protocol)
    notes = [note for _, note in groups if note]
    old = [row for row in kept if row.device.protocol < newest[_place(row)]]
    if old:
        notes.append(f"timings of an older protocol, measured again since: {len(old)}")
    return [row for row in kept if row not in old], notes


def _place(row: Row) -> object:
    d = row.device
    return row.work, d.slug, d.label, d.origin, d.threads


def _distinct(stored: Iterable[Stored[Any]]) -> list[Stored[Any]]:
    """Each record once, however many copies of its file there are; one that the project ships counts as shipped."""
    found: dict[str, Stored[Any]] = {}
    for item in sorted(stored, key=lambda s: (s.origin != "reference", s.path.parent.name)):
        found.setdefault(identity(item), item)
    return list(found.values())


def identity(stored: Stored[Any]) -> str:
    """One text per record, wherever its copies lie."""
    return wording.key_of(stored.record.model_dump(mode="json"))


def _row(processes: list[Process]) -> tuple[Row, str]:
    """Processes of one key as a row; of several networks under one name only the one measured last."""
    first, note = processes[0], ""
    # A timer that has once said what cannot be is not believed for the rest of its session.
    lying = {p.session for p in processes if p.verdict == "impossible" and p.refused}
    with_figures = [p for p in processes if p.times and p.session not in lying]
    without = [p for p in processes if p not in with_figures and (p.refused or p.failed)]
    networks = wording.grouped(with_figures, lambda p: (p.params, p.macs))
    if len(networks) > 1:
        networks.sort(key=lambda group: (group[-1].measured_utc, group[-1].params, group[-1].macs or 0))
        model = wording.model_label(first.work.component.name)
        left = sum(len(group) for group in networks[:-1])
        note = f"processes of {model} on {first.device.label} that timed another network (other counts): {left}"
    shown = tuple(networks[-1]) if networks else ()
    return Row(work=first.work, device=first.device, shown=shown, others=tuple(without)), note
