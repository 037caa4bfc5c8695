"""Rows of timings -> per device the table of what each model takes: four times, never one.

End to end is what a user waits for, and the only one that CPUs and cards share; `device` leaves out waiting for
launches, `graph` the launches themselves, and `would have been reported as` is what a script that never waits would
publish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.report import wording
from bench.report.devices import Device, named
from bench.report.figures import DAGGER, joules, mean_and_std, median, peak_share, percent, remarks
from bench.report.markdown import escape, table
from bench.report.timings import FEW, Row
from bench.report.works import NUMBERS, Labels

GRAPH = "graph"

Column = Callable[[Row, Row | None], str]

NOTES = (
    "Times are of one call on a batch that lies on the device already, end to end: read on the host's clock, which "
    "waits for the device before and after. The median is that of the processes' medians, with its 95 % interval over "
    "processes (from three on; Student's t on logarithms); ± is the standard deviation (n-1) over the n readings of "
    "all processes, none left out. `between processes` is the standard deviation of their medians.",
    f"{DAGGER}: a process did not converge or has fewer than {FEW} readings. `not checked`: the card's peak is not "
    "known, or there is no card. What cannot be true is refused and has no figures.",
)
ON_CARDS = (
    "`device` is between two events on a queue kept ahead, `graph` the same for a replayed CUDA graph. `would have "
    "been reported as` is the time until the call returns: what a script that never waits for the device would "
    "publish. `launch-bound`: the host launches kernels more slowly than the device runs them. `peak memory` is "
    "weights, images and the most that one call holds beside them; energy is that of the whole device, net of what it "
    "draws idle.",
)


def markdown(rows: Sequence[Row], left_out: Sequence[str] = ()) -> str:
    """A table per device and software, then how to read them; '' without a row."""
    if not rows:
        return ""
    names = named(row.device for row in rows)
    parts = []
    for device in sorted(names, key=lambda d: (names[d], d)):
        own = sorted((row for row in rows if row.device == device), key=lambda r: (r.work.setting, r.work.model))
        parts.append(_section(own, names[device]))
    cards = any("device" in row.pooled for row in rows)
    notes = [f"- {note}" for note in (*NOTES, *(ON_CARDS if cards else ()))]
    notes += [f"- Left out: {escape(note)}." for note in left_out]
    return "\n".join([*parts, "\n".join(notes)]) + "\n"


def _section(rows: Sequence[Row], name: str) -> str:
    graphs = replays(rows)
    own = [row for row in rows if row.work.setting.mode != GRAPH or row not in graphs.values()]
    labels = Labels(row.work for row in own)
    pairs = [(row, graphs.get(row.work)) for row in own]
    columns = {title: say for title, say in COLUMNS.items() if title in ALWAYS or any(say(*pair) for pair in pairs)}
    header = [*labels.header, *columns]
    lines = [[*labels.cells(row.work), *(say(row, graph) for say in columns.values())] for row, graph in pairs]
    right = [*NUMBERS, *(title for title in columns if title not in WORDS)]
    return "\n".join(
        [f"#### {escape(name)}", "", told(rows[0].device, own, labels), "", table(header, lines, right), ""]
    )


FIRST = " (one process, end to end only)"


def told(device: Device, rows: Sequence[Row], labels: Labels) -> str:
    """`In every row: ...; protocol 2; torch 2.15; this machine; 01234567` as Markdown."""
    commits = wording.commits(sorted({(p.commit, p.dirty) for row in rows for p in row.shown}, key=str))
    said = [labels.shared, f"protocol {device.protocol}" + (FIRST if device.protocol == 1 else "")]
    said += [device.software, wording.ORIGINS[device.origin], commits]
    return f"In every row: {escape('; '.join(part for part in said if part))}."


def replays(rows: Sequence[Row]) -> dict[object, Row]:
    """What was run call by call -> the row of its CUDA graph, on one device."""
    found = {row.work: row for row in rows}
    eager = {work: replace(work, setting=replace(work.setting, mode=GRAPH)) for work in found}
    return {work: found[graph] for work, graph in eager.items() if graph in found and graph != work}


# ------------------------------------------------------------------ columns


def _rate(row: Row, _: Row | None) -> str:
    found = row.pooled.get("e2e")
    return "" if found is None else wording.milliseconds(1e3 * row.work.setting.batch / found.median)


def _between(row: Row, _: Row | None) -> str:
    found = row.pooled.get("e2e")
    if found is None:
        return ""
    return f"{100 * found.between:.1f} % ({found.repeats})" if found.between is not None else "one process"


def _graph(_: Row, graph: Row | None) -> str:
    if graph is None:
        return ""
    return median(graph, "device" if "device" in graph.pooled else "e2e")


def _first_call(row: Row, _: Row | None) -> str:
    found = [p.timing.first_call_ms for p in row.shown if p.timing and p.timing.first_call_ms is not None]
    return wording.milliseconds(max(found)) if found else ""


def _memory(row: Row, _: Row | None) -> str:
    every = [p.timing.memory_bytes.get("inference") for p in row.shown if p.timing]
    known = [v for v in every if v is not None and v > 0]
    return f"{max(known) / 2**20:,.0f}" if known else ""


def _joules(row: Row, _: Row | None) -> str:
    gross, net = (joules(row, name) for name in ("gross_j", "net_j"))
    shown = [f"{value:.3g}" if value is not None else "not known" for value in (gross, net)]
    return "" if gross is None else " / ".join(shown)


def _share(row: Row, _: Row | None) -> str:
    return percent(peak_share(row))


def _remarks(row: Row, graph: Row | None) -> str:
    told = [remarks(row), f"graph {graph.words}" if graph and graph.words else ""]
    return "; ".join(part for part in told if part)


COLUMNS: dict[str, Column] = {
    "end to end (ms), median": lambda row, _: median(row),
    "mean ± std (ms)": lambda row, _: mean_and_std(row),
    "between processes": _between,
    "images/s": _rate,
    "device (ms)": lambda row, _: median(row, "device") if "device" in row.pooled else "",
    "graph (ms)": _graph,
    "would have been reported as (ms)": lambda row, _: mean_and_std(row, "enqueue"),
    "CPU time (ms)": lambda row, _: median(row, "cpu") if "cpu" in row.pooled else "",
    "first call (ms)": _first_call,
    "peak memory (MiB)": _memory,
    "J per image, gross / net": _joules,
    "% of peak": _share,
    "verdict": lambda row, _: row.verdict,
    "remarks": _remarks,
}
ALWAYS = ("end to end (ms), median", "mean ± std (ms)", "verdict", "remarks")
WORDS = ("verdict", "remarks")
