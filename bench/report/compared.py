"""A comparison of devices -> Markdown: a column group per device, ratios to the reference, order of models, reasons."""

from __future__ import annotations

from bench.report import wording
from bench.report.comparison import Comparison, Summary
from bench.report.devices import Device
from bench.report.figures import flags, interval, mean_and_std, median, peak_share, percent
from bench.report.markdown import Markup, escape, table
from bench.report.repeats import ENOUGH, Ratio
from bench.report.timings import Row
from bench.report.works import NUMBERS

NO_INTERVAL = "‡"
TIMES = {"e2e": "end to end", "device": "device time"}

GROUP = ("mean ± std", "% of peak", "flags")
SUMMARY = ("device", "setting", "against", "models", "geometric mean", "smallest", "largest", "Kendall's tau", "order")

NOTES = (
    "Medians and ratios stand with their 95 % interval over processes. A ratio is the time on the device divided by "
    "that on the reference: exp of the median log difference over processes, its interval Welch's t on logarithms; "
    f"{NO_INTERVAL}: fewer than {ENOUGH} processes on a side, no interval. FASTER and SLOWER need an interval that "
    "leaves out 1, SAME a ratio within 2 % of 1 and an interval around 1 within 10 %; anything else is AMBIGUOUS.",
    "The geometric mean is over models, its interval, from three models on, too. Kendall's tau compares the order of "
    "models by time: 1 is the same order, -1 the reverse.",
)


def markdown(found: Comparison) -> str:
    """All tables of a comparison; without the ratios where there is one device."""
    labels = found.labels
    parts = [f"In every row: {escape(', '.join(p for p in (TIMES[found.time], labels.shared) if p))}.", ""]
    parts += [f"- {escape(line)}" for line in contexts(found)] + ["", _times(found), ""]
    if found.ratios:
        parts += [
            f"Time relative to {escape(found.names[found.reference])}, below 1 is faster:",
            "",
            _ratios(found),
            "",
        ]
    if found.summaries:
        parts += [_summaries(found), ""]
    if found.ratios:
        parts += [f"- {note}" for note in NOTES] + [""]
    if found.reasons:
        parts += ["Not comparable because:", "", *(f"- {escape(reason)}" for reason in found.reasons), ""]
    return "\n".join(parts)


def contexts(found: Comparison) -> list[str]:
    """Per device in words: folder, software, protocol, processes, commits."""
    lines = []
    for device in found.devices:
        rows = [row for (_, on), row in found.cells.items() if on == device]
        many = wording.spread({len(row.shown) for row in rows if row.shown}) or "no"
        processes = f"{many} process{'es' * (many != '1')} a row"
        commits = wording.commits(sorted({(p.commit, p.dirty) for row in rows for p in row.shown}, key=str))
        said = [device.slug, device.software, f"protocol {device.protocol}", processes]
        lines.append(f"{found.names[device]}: {'; '.join([*said, wording.ORIGINS[device.origin], commits])}")
    return lines


def _times(found: Comparison) -> str:
    header, right = [*found.labels.header], [*NUMBERS, "mean ± std", "% of peak"]
    for device in found.devices:
        title = f"{found.names[device]}: median (ms)"
        header += [title, *GROUP]
        right.append(title)
    lines = []
    for work in found.works:
        cells = [found.labels.cells(work)]
        cells += [group(found.cells.get((work, device)), found.time) for device in found.devices]
        lines.append([cell for part in cells for cell in part])
    return table(header, lines, right)


def group(row: Row | None, time: str) -> list[str]:
    """Median with interval, mean ± std, % of peak, flags; four empty cells where nothing was measured."""
    if row is None:
        return ["", "", "", ""]
    return [median(row, time), mean_and_std(row, time), percent(peak_share(row, time)), flags(row)]


def _ratios(found: Comparison) -> str:
    devices = [d for d in found.devices if any((w, d) in found.ratios for w in found.works)]
    titles = [against(found, device) for device in devices]
    lines = [
        [*found.labels.cells(work), *(ratio(found.ratios.get((work, d))) for d in devices)]
        for work in found.works
        if any((work, d) in found.ratios for d in devices)
    ]
    return table([*found.labels.header, *titles], lines, right=NUMBERS)


def against(found: Comparison, device: Device) -> str:
    """`Tesla T4 16 GB / NVIDIA H200`, the second only where it is not the reference of all."""
    base = found.bases[device]
    return found.names[device] + ("" if base == found.reference else f" / {found.names[base]}")


def ratio(found: Ratio | None) -> Markup:
    """`11.32 [11.10, 11.55] SLOWER`, or `11.32 ‡ AMBIGUOUS` without an interval."""
    if found is None:
        return Markup("")
    text = interval(found.value, found.low, found.high)
    return Markup(f"{text} {found.verdict}" if found.low is not None else f"{text} {NO_INTERVAL} {found.verdict}")


def _summaries(found: Comparison) -> str:
    return table(SUMMARY, [summary_cells(found, s) for s in found.summaries], right=SUMMARY[3:8])


def summary_cells(found: Comparison, summary: Summary) -> list[str]:
    """One line of the table of summaries, as plain text."""
    return [
        found.names[summary.device],
        found.labels.setting(summary.setting),
        found.names[found.bases[summary.device]],
        str(summary.models),
        interval(summary.mean.value, summary.mean.low, summary.mean.high),
        wording.milliseconds(summary.smallest),
        wording.milliseconds(summary.largest),
        "" if summary.tau is None else f"{summary.tau:.2f}",
        "; ".join(summary.swaps) or ("the same" if summary.tau is not None else ""),
    ]
