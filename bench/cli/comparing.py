"""`bench compare`: latency records of several devices -> one beside the other; or now against a base, for CI."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.spec import BenchError, ExitCode, counted

if TYPE_CHECKING:
    from bench.report.comparison import Comparison
    from bench.report.regression import Change
    from bench.report.timings import Row
    from bench.store import Contents

Time = Literal["e2e", "device"]


def compare(
    devices: Annotated[
        list[str] | None, typer.Argument(metavar="[DEVICE]...", help="Folder or label of a device, or a part of it.")
    ] = None,
    results: Annotated[Path, typer.Option("--results", metavar="DIR", help="Where records lie.")] = Path("results"),
    reference: Annotated[str, typer.Option(metavar="DEVICE", help="The device that times are divided by.")] = "",
    precision: Annotated[str, typer.Option(metavar="P,...", help="Only these: fp32,tf32,bf16,fp16.")] = "",
    time: Annotated[Time, typer.Option(help="End to end, or the device's own time.")] = "e2e",
    across_software: Annotated[
        bool, typer.Option("--across-software", help="Divide times of different torch or cuDNN versions, too.")
    ] = False,
    base: Annotated[
        Path | None,
        typer.Option(metavar="DIR|FILE", help="Compare with another results folder, or an earlier session's record."),
    ] = None,
    fail_over: Annotated[
        str, typer.Option(metavar="N%", help="With --base: exit 1 where a time is surely slower by more.")
    ] = "",
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Work out all statistics from the raw readings first; exit 4 if unequal."),
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw mIoU over latency per device (.png or .svg).")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the report's tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Times of all devices measured, side by side: ratios with intervals, order of models, what is not comparable."""
    from bench.report.comparison import compare as build
    from bench.report.timings import rows

    limit = _limit(fail_over, base)
    contents = _read(results)
    code = ExitCode.STORE if contents.problems else ExitCode.OK
    if recompute and not _recomputed(contents):
        code = ExitCode.STORE
    earlier = _base(base, contents) if base else None
    contents = earlier[1] if earlier else contents
    found, left_out = rows(contents)
    found = _selected(found, devices or [], precision)
    if picture is not None:
        _draw(picture, contents, found)
    if earlier is not None:
        before = _selected(rows(earlier[0])[0], [], "")
        return _against(found, before, limit, across_software, time, as_json) or code
    comparison = build(found, left_out, reference=reference, across_software=across_software, time=time)
    if comparison is None:
        raise BenchError("no latency has been measured here", remedy="run `bench latency`", file=results)
    _show(comparison, markdown, as_json)
    return code


def _read(folder: Path) -> Contents:
    from bench.store import Store

    if not folder.is_dir():
        remedy = "run `bench latency` first, or name it with --results"
        raise BenchError("there is no such results folder", remedy=remedy, file=folder)
    contents = Store(folder).read()
    for problem in contents.problems:
        print("bench: error:", problem, file=sys.stderr)
    return contents


def _limit(text: str, base: Path | None) -> float | None:
    """0.05 of `5%`; None where nothing was asked for."""
    if not text:
        return None
    if base is None:
        remedy = "name another results folder, or a record, with --base"
        raise BenchError("needs something to compare with", remedy=remedy, key="--fail-over")
    number = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?) ?%", text)
    if number is None:
        raise BenchError(f"{text!r} is no percentage", remedy="write it as 5%", key="--fail-over")
    return float(number[1]) / 100


def _selected(found: list[Row], devices: Sequence[str], precision: str) -> list[Row]:
    from bench.report.devices import chosen

    wanted = {part.strip() for part in precision.split(",") if part.strip()}
    known = sorted({row.work.setting.precision for row in found})
    if found and (unknown := sorted(wanted - set(known))):
        what = f"nothing was timed in {', '.join(unknown)}"
        raise BenchError(what, remedy=f"known: {', '.join(known)}", key="--precision")
    able = set(chosen(devices, (row.device for row in found)))
    return [r for r in found if r.device in able and (not wanted or r.work.setting.precision in wanted)]


def _recomputed(contents: Contents) -> bool:
    """Whether every record's statistics are those of its raw readings; says where not."""
    from bench.report.recompute import differences

    wrong = 0
    for stored in contents.latencies:
        lines = differences(stored)
        wrong += bool(lines)
        for line in lines:
            print(BenchError(line, file=stored.path), file=sys.stderr)
    print(
        f"recomputed from raw readings: {counted(len(contents.latencies), 'record')}, {wrong} differ", file=sys.stderr
    )
    return not wrong


def _draw(picture: Path, contents: Contents, found: list[Row]) -> None:
    from bench.report.pareto import trades
    from bench.report.rows import boards
    from bench.report.scatter import scatter

    scatter(picture, trades(boards(contents), found))
    print(f"wrote {picture}", file=sys.stderr)


# ------------------------------------------------------------------ devices side by side


def _show(comparison: Comparison, markdown: bool, as_json: bool) -> None:
    if as_json:
        from bench.report.plain import comparison as plain

        print(json.dumps(plain(comparison), indent=1, sort_keys=True, allow_nan=False))
    elif markdown:
        from bench.report.compared import markdown as text

        print(text(comparison).rstrip())
    else:
        _tables(comparison)


def _tables(found: Comparison) -> None:
    """One line per row and device: any number of devices fits a terminal."""
    from bench.cli.console import print_table, say
    from bench.report import compared
    from bench.report.works import NUMBERS

    say(", ".join(part for part in (compared.TIMES[found.time], found.labels.shared) if part))
    print()
    shared, names = found.labels.header, found.names
    ratios = bool(found.ratios)
    header = [
        *shared,
        "device",
        "median (ms)",
        *compared.GROUP[:2],
        *([f"/ {names[found.reference]}"] if ratios else []),
    ]
    lines = []
    for work in found.works:
        label = found.labels.cells(work)
        for device in found.devices:
            if (row := found.cells.get((work, device))) is None:
                continue
            *figures, flags = compared.group(row, found.time)
            own = found.ratios.get((work, device))
            against = "" if found.bases[device] == found.reference else f" ({names[found.bases[device]]})"
            quotient = [compared.ratio(own) + against if own else "reference" * (device == found.reference)]
            lines.append([*label, names[device], *figures, *(quotient if ratios else []), flags])
            label = [""] * len(shared)
    right = [i for i, title in enumerate(header) if title in (*NUMBERS, "% of peak")]
    print_table([*header, "flags"], lines, right=right)
    if found.summaries:
        print()
        cells = [compared.summary_cells(found, summary) for summary in found.summaries]
        print_table(compared.SUMMARY[:-1], [line[:-1] for line in cells], right=range(3, 8))
        for line in cells:
            say(f"order of models on {line[0]} and {line[2]} ({line[1]}): {line[-1] or 'one model'}")
    print()
    for context in compared.contexts(found):
        say(context)
    for reason in found.reasons:
        say(f"not comparable: {reason}")


# ------------------------------------------------------------------ now against a base


def _base(path: Path, contents: Contents) -> tuple[Contents, Contents]:
    """What to compare with, and what of `contents` is newer: a record stands for its session and all before it.

    What lies in both folders is the base's alone: pooled with today's it would hide half of a change.
    """
    from bench.report.timings import identity
    from bench.store import Store

    if path.is_dir():
        base = _read(path)
        known = {identity(s) for s in base.latencies} | {identity(s) for s in base.costs}
        latencies = tuple(s for s in contents.latencies if identity(s) not in known)
        return base, replace(
            contents, latencies=latencies, costs=tuple(c for c in contents.costs if identity(c) not in known)
        )
    folder = path.parent.parent.parent
    if not path.is_file() or path.parent.parent.name != "costs":
        what = "is neither a results folder nor a record under its costs/"
        raise BenchError(what, remedy="name one of the two", file=path, key="--base")
    everything = Store(folder).read()
    named = [s for s in everything.latencies if s.path == path]
    if not named:
        raise BenchError("is no latency record that can be read", file=path, key="--base", code=ExitCode.STORE)
    session = named[0].record.session
    own = [s for s in everything.latencies if s.record.session == session and s.path.parent == path.parent]
    last = max(s.record.measured_utc for s in own)
    later = [s for s in contents.latencies if s.record.measured_utc > last and s.record.session != session]
    return replace(everything, latencies=tuple(own), costs=()), replace(contents, latencies=tuple(later), costs=())


def _against(
    now: list[Row], before: list[Row], limit: float | None, across_software: bool, time: str, as_json: bool
) -> int:
    from bench.report.regression import changes

    found = changes(now, before, across_software=across_software, time=time)
    judged = [change for change in found if change.ratio is not None]
    failed = [change for change in found if limit is not None and change.fails(limit)]
    if limit is not None and not failed and not any(c.ratio and c.ratio.low is not None for c in judged):
        reasons = sorted({c.reason for c in found if c.reason}) or ["nothing was timed in both"]
        if judged:
            reasons = ["fewer than three processes on a side"]
        what = f"nothing can be judged: {'; '.join(reasons)}"
        raise BenchError(what, remedy="measure both with `bench latency --repeats 3`", key="--fail-over")
    if as_json:
        print(json.dumps(_plain(found, failed), indent=1, sort_keys=True, allow_nan=False))
    else:
        _print_changes(found, failed, time)
    unsure = sum(c.ratio.verdict == "AMBIGUOUS" for c in judged if c.ratio)
    told = f"{len(found)} timed again, {len(failed)} regressions, {unsure} ambiguous"
    print(f"{told}, {len(found) - len(judged)} not compared", file=sys.stderr)
    return ExitCode.RUNS_FAILED if failed else ExitCode.OK


def _print_changes(found: list[Change], failed: list[Change], time: str) -> None:
    from bench.cli.console import print_table
    from bench.report.compared import ratio
    from bench.report.figures import flags, median
    from bench.report.works import Labels

    labels = Labels(change.now.work for change in found)
    lines = []
    for change in found:
        told = ratio(change.ratio) if change.ratio else change.reason
        mark = "REGRESSION" if change in failed else ""
        times = [median(change.base, time), median(change.now, time)]
        lines.append([*labels.cells(change.now.work), change.now.device.label, *times, told, mark, flags(change.now)])
    header = [*labels.header, "device", "base (ms)", "now (ms)", "now / base", "", "flags"]
    print_table(header, lines)


def _plain(found: list[Change], failed: list[Change]) -> list[dict[str, object]]:
    from bench.report import plain

    return [
        {
            "now": plain.row(change.now),
            "base": plain.row(change.base),
            "reason": change.reason or None,
            "regression": change in failed,
            **plain.ratio(change.ratio),
        }
        for change in found
    ]
