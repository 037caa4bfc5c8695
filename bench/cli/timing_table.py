"""What the processes of one measurement gave -> the table that `bench latency` prints, and a line for each row."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.report import wording
from bench.report.repeats import Pooled
from bench.report.settings import varying_options
from bench.report.timings import FEW, Row, rows
from bench.store import Contents, Stored

if TYPE_CHECKING:
    from bench.run.latency import Finished

SETTINGS: dict[str, Callable[[Any], str]] = {
    "classes": lambda s: str(s.classes),
    "size": lambda s: f"{s.size[1]}x{s.size[0]}",
    "batch": lambda s: str(s.batch),
    "precision": lambda s: s.precision,
    "layout": lambda s: s.layout,
    "mode": lambda s: s.mode,
}
"""What of a workload gets a column where rows differ in it."""

NUMBERS = {"classes", "batch", "mean ± std (n)", "median [95 %]", "images/s", "device", "graph", "reported as"}
NUMBERS |= {"memory (MiB)", "J/image (net)"}


def rows_of(finished: Iterable[Finished]) -> list[Row]:
    """The processes pooled as every table of the project pools them."""
    stored = tuple(Stored(event.record, event.path, "local") for event in finished)
    return rows(Contents(latencies=stored))[0]


def timing_table(found: Sequence[Row]) -> tuple[list[str], list[list[str]], list[str]]:
    """(header, rows, notes); times in ms per call.  A column that says nothing of any row is left out.

    An eager workload and its CUDA graph are one row: `graph` is the device time of the replay.
    """
    graphs = {_eager_key(row): row for row in found if row.work.setting.mode == "graph"}
    eager = {_eager_key(row) for row in found if row.work.setting.mode == "eager"}
    shown = [row for row in found if row.work.setting.mode != "graph" or _eager_key(row) not in eager]
    every = {name: _setting(shown, name) for name in SETTINGS}
    paired = [graphs.get(_eager_key(row)) if row.work.setting.mode == "eager" else None for row in shown]
    columns: dict[str, list[str]] = {
        "model": _models(shown),
        **{name: cells for name, cells in every.items() if len(set(cells)) > 1},
        "mean ± std (n)": [_cell(row, "e2e", mean_and_std) for row in shown],
        "median [95 %]": [_median(row) for row in shown],
        "images/s": [_throughput(row) for row in shown] if len(set(every["batch"])) > 1 else [],
        "device": [_cell(row, "device", _only_median) for row in shown],
        "graph": [_cell(row, "device", _only_median) if row else "" for row in paired],
        "reported as": [_cell(row, "enqueue", _only_median) for row in shown],
        "memory (MiB)": [_memory(row) for row in shown],
        "J/image (net)": [_energy(row)[0] for row in shown],
        "verdict": [row.verdict if row.shown else row.words for row in shown],
        "flags": [
            "; ".join([*row.remarks, *_energy(row)[1], *_of_graph(graph)])
            for row, graph in zip(shown, paired, strict=True)
        ],
    }
    kept = {name: cells for name, cells in columns.items() if any(cells)}
    return list(kept), [list(cells) for cells in zip(*kept.values(), strict=True)], _notes(shown, kept)


def told(finished: Iterable[Finished]) -> list[str]:
    """A line on the end-to-end time of each row."""
    found = rows_of(finished)
    lines = []
    for name, row in zip(_models(found), found, strict=True):
        mode = f" ({row.work.setting.mode})" if row.work.setting.mode != "eager" else ""
        time = f"{mean_and_std(row.pooled['e2e'])} ms, median {_median(row)}" if row.shown else row.words
        lines.append(f"{name}{mode} on {row.device.label}: {time}")
    return lines


def mean_and_std(pooled: Pooled) -> str:
    """`90.5 ± 2.1 (n = 120)`."""
    return f"{pooled.mean:.3f}" + ("" if pooled.std is None else f" ± {pooled.std:.3f}") + f" (n = {pooled.n})"


def _models(found: Sequence[Row]) -> list[str]:
    groups = wording.grouped((row.work.component for row in found), lambda c: c.name)
    options = {group[0].name: varying_options(group) for group in groups}
    return [wording.component(row.work.component, options[row.work.component.name]) for row in found]


def _setting(found: Sequence[Row], name: str) -> list[str]:
    return [SETTINGS[name](row.work.setting) for row in found]


def _eager_key(row: Row) -> object:
    s = row.work.setting
    return row.work.model, s.classes, s.size, s.batch, s.precision, s.layout, row.device


def _cell(row: Row, time: str, words: Callable[[Pooled], str]) -> str:
    return words(row.pooled[time]) if time in row.pooled else ""


def _only_median(pooled: Pooled) -> str:
    return f"{pooled.median:.3f}"


def _median(row: Row) -> str:
    pooled = row.pooled.get("e2e")
    if pooled is None:
        return ""
    between = "" if pooled.low is None or pooled.high is None else f" [{pooled.low:.3f}, {pooled.high:.3f}]"
    return _only_median(pooled) + between + ("†" if row.shaky else "")


def _throughput(row: Row) -> str:
    pooled = row.pooled.get("e2e")
    return "" if pooled is None else f"{1e3 * row.work.setting.batch / pooled.median:.1f}"


def _memory(row: Row) -> str:
    """The most that a process needed; '' where none could tell."""
    told = [p.timing.memory_bytes.get("inference") for p in row.shown if p.timing]
    known = [m for m in told if m is not None]
    return f"{max(known) / 2**20:.0f}" if known else ""


def _energy(row: Row) -> tuple[str, list[str]]:
    """(mean over the processes, what a reader must know of it); ("", []) where nobody asked."""
    asked = [p.timing.energy for p in row.shown if p.timing and p.timing.energy]
    gross, net = ([e[key] for e in asked if e.get(key) is not None] for key in ("gross_j", "net_j"))
    told = wording.distinct(str(e[key]) for e in asked for key in ("reason", "flag") if e.get(key))
    cell = f"{statistics.fmean(gross):.3f}" if gross else ""
    if net:
        cell += f" ({statistics.fmean(net):.3f})"
    return cell, [f"energy: {words}" for words in told]


def _of_graph(row: Row | None) -> list[str]:
    """What a reader must know of the graph in an eager row."""
    if row is None:
        return []
    if not row.shown:
        return [f"graph {row.words}"]
    return [f"graph: {row.verdict}"] if row.verdict in ("suspect", "invalid") else []


def _notes(shown: Sequence[Row], columns: Iterable[str]) -> list[str]:
    notes = ["times in ms per call, end to end (waited for before and after); the interval is over fresh processes"]
    if any(row.shaky for row in shown):
        notes.append(f"† not converged, or fewer than {FEW} readings in a process: take it as an indication")
    if "device" in columns:
        notes.append("device: on the card alone, queue kept ahead; graph: a CUDA graph's replay")
    if "J/image (net)" in columns:
        notes.append("J/image: of the whole card, and in brackets less what it draws when idle")
    if "reported as" in columns:
        notes.append("reported as: what a script that does not wait for the device would have published")
    return notes
