"""Gains of adaptation methods -> what they cost beside source-only: time, memory, images, arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.report import wording
from bench.report.controls import SOURCE_ONLY
from bench.report.gains import Gains, is_control
from bench.report.leaderboard import progress
from bench.report.markdown import Markup, table
from bench.report.rows import Row
from bench.spec import RunRecord

NOT_TRAINING = frozenset(["prepare", "evaluate", "selection", "total"])
"""Parts of a run's seconds that are no updates."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """A row's cost, the mean over its seeds; None where a run does not tell.  `times` hold the ratios to source-only.

    `memory_of` is `device` (allocated on the card) or `process` (resident, on a CPU).
    """

    train_s: float | None
    memory_bytes: float | None
    memory_of: str
    macs: float | None
    times: dict[str, float]


def effort(found: Gains, row: Row) -> Effort:
    """What a row's training took, and how many times source-only's on the same device that is."""
    control = found.group.control(SOURCE_ONLY)
    own = _measured(row)
    times: dict[str, float] = {}
    if control and not found.refused(row) and _devices(row) == _devices(control):
        theirs = _measured(control)
        for name in ("train_s", "memory_bytes", "macs"):
            ours, base = getattr(own, name), getattr(theirs, name)
            if ours is not None and base and own.memory_of == theirs.memory_of:
                times[name] = ours / base
    return Effort(**{**own.__dict__, "times": times})


def per_hour(found: Gains, row: Row) -> tuple[float | None, float | None]:
    """(gain, share of the gap) per hour of training; None unless it is `above` over several seeds."""
    figures = found.figures.rows[found.group.rows.index(row)]
    seconds = _measured(row).train_s
    if is_control(row) or found.verdict(row, figures) != "above" or not seconds:
        return None, None
    gain, share = figures.gain[0].value, figures.share[0].value if figures.share else None
    return (None if gain is None else gain / seconds * 3600), (None if share is None else share / seconds * 3600)


def markdown(found: Gains) -> str:
    """The table of costs."""
    every = [(row, effort(found, row)) for row, _ in found.rows]
    unlabelled = any(r.target_images for row, _ in every for r in row.records)
    counted = any(e.macs is not None for _, e in every)
    gained = any(per_hour(found, row)[0] is not None for row, _ in every)
    kinds = wording.distinct(e.memory_of for _, e in every if e.memory_bytes is not None)
    header = ["method", "train (min)", "x", *(["peak memory (GB)", "x"] if kinds else []), "images seen"]
    header += [*(["target images"] if unlabelled else []), *(["training (TMAC)", "x"] if counted else [])]
    header += [*(["points per hour", "gap (%) per hour"] if gained else []), "device"]
    lines = []
    for row, cost in every:
        minutes = None if cost.train_s is None else cost.train_s / 60
        cells = [found.group.label(row), _digits(minutes), _times(cost, "train_s")]
        cells += [_giga(cost.memory_bytes), _times(cost, "memory_bytes")] if kinds else []
        cells += [progress(row)[1], *([_unlabelled(row)] if unlabelled else [])]
        cells += [_digits(None if cost.macs is None else cost.macs / 1e12), _times(cost, "macs")] if counted else []
        cells += [_digits(None if v is None else 100 * v) for v in per_hour(found, row)] if gained else []
        lines.append([*cells, ", ".join(_devices(row))])
    body = table(header, lines, right=header[1:-1])
    of = {"device": "allocated on the card", "process": "resident in the process"}
    told = " and ".join(of[kind] for kind in kinds)
    return (
        f"{body}\n\n- Means over seeds; peak memory is what was {told}." if kinds else f"{body}\n\n- Means over seeds."
    )


def _measured(row: Row) -> Effort:
    records = row.records
    kinds = {_memory(r)[0] for r in records}
    return Effort(
        train_s=_mean(records, _train_s),
        memory_bytes=_mean(records, lambda r: _memory(r)[1]) if len(kinds) == 1 else None,
        memory_of=min(kinds),
        macs=_mean(records, lambda r: r.training_macs),
        times={},
    )


def _train_s(record: RunRecord) -> float | None:
    spent = [s for name, s in record.seconds.items() if name not in NOT_TRAINING]
    return sum(spent) if spent and min(spent) >= 0 and sum(spent) > 0 else None


def _memory(record: RunRecord) -> tuple[str, int | None]:
    found = record.memory_bytes
    on_card = found.get("device_peak") is not None
    return ("device", found["device_peak"]) if on_card else ("process", found.get("process_peak"))


def _mean(records: list[RunRecord], of: Callable[[RunRecord], float | None]) -> float | None:
    known = [v for r in records if (v := of(r)) is not None and 0 <= v < 1e30]
    return sum(known) / len(known) if known and len(known) == len(records) else None


def _devices(row: Row) -> list[str]:
    return wording.distinct(r.device for r in row.records)


def _unlabelled(row: Row) -> str:
    return wording.spread(r.target_images for r in row.records)


def _digits(value: float | None) -> Markup:
    """Three digits that count: `0.123`, `12.3`, `1,230`."""
    if value is None or not value < 1e15:
        return Markup("")
    return Markup(f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip("."))


def _giga(count: float | None) -> Markup:
    return _digits(None if count is None else count / 1e9)


def _times(cost: Effort, name: str) -> Markup:
    return Markup(f"{cost.times[name]:.2f}" if cost.times.get(name, 1e9) < 1e6 else "")
