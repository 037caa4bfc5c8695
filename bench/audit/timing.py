"""A row's times against what its card can do, against their own spread and against its rate."""

from __future__ import annotations

from collections.abc import Iterator

from bench.audit.counting import Work, giga, work_of
from bench.audit.devices import Device
from bench.audit.findings import Finding, Severity
from bench.audit.rows import Row, Timing
from bench.cost.cards import CARDS
from bench.cost.peaks import published
from bench.cost.rules import MAX_CV, TOLERANCE, least_ms, ms

PEAKS = [published(card) for card in CARDS]
FASTEST, FASTEST_FP32 = max(p.fastest for p in PEAKS), max(p.fp32 for p in PEAKS)
LONGEST_MS = 6e4
"""A minute for one image is somebody's training time."""
AGREE = 0.15
"""Rate times latency may be this far from one image: means of quotients are not quotients of means."""
WAIT = "synchronise before both readings of the clock and measure again"


def check_times(row: Row) -> Iterator[Finding]:
    """Every timing of a row, judged by itself."""
    work = work_of(row)
    for timing in row.timings:
        time = timing.image_ms
        if time <= 0 or (timing.std_ms or 0.0) < 0:
            yield _found(row, timing, "impossible", "time", "no image takes no time, or less; measure again")
            continue
        if time > LONGEST_MS:
            text = f"{time / 1e3:,.0f} s is no latency of one image; a training time? put it into a column of its own"
            yield _found(row, timing, "suspicious", "time", text)
            continue
        yield from _spread(row, timing)
        yield from _rate(row, timing)
        if work is not None and not timing.low_bits:
            yield from _against_card(row, timing, work)


def _spread(row: Row, timing: Timing) -> Iterator[Finding]:
    std, latency = timing.std_ms, timing.latency
    if std is None or latency is None or std <= MAX_CV * latency.figure.value:
        return
    text = (
        f"± {ms(std)} is {100 * std / latency.figure.value:.0f} % of the mean {ms(latency.figure.value)}: first calls, "
        "a smaller last batch or waits are among the readings; warm up, time equal batches, print the median too"
    )
    yield _found(row, timing, "suspicious", "spread", text)


def _rate(row: Row, timing: Timing) -> Iterator[Finding]:
    """A rate and a latency that cannot belong to the same call."""
    if timing.latency is None or timing.fps is None or timing.fps.figure.value <= 0:
        return
    images = timing.fps.figure.value * timing.latency.figure.value / 1e3
    for batch in {1, row.batch or 1}:
        if abs(images / batch - 1) <= AGREE:
            return
    whole = round(images)
    if 2 <= whole <= 512 and abs(images / whole - 1) <= 0.03:
        text = f"agrees with {ms(timing.latency.figure.value)} only for a batch of {whole}; say the batch of both"
        yield _found(row, timing, "note", "rate", text, timing.fps.column)
        return
    text = (
        f"{timing.fps.figure.value:.4g} images/s and {ms(timing.latency.figure.value)} make {images:.3g} images per "
        "call; print the rate as 1000 / median latency, or the batch it was measured with"
    )
    yield _found(row, timing, "suspicious", "rate", text, timing.fps.column)


# ------------------------------------------------------------------ against a card


def _against_card(row: Row, timing: Timing, work: Work) -> Iterator[Finding]:
    device = timing.device
    if device is None or device.peak is None:
        yield from _against_all(row, timing, work)
        return
    peak, time = device.peak, timing.image_ms
    least = least_ms(work.fewest, peak.fastest)
    words = f"{_speed(timing)} for {_amount(row, work)} is {_rate_of(work, time)}"
    if time * TOLERANCE < least:
        share = 100 * 2e3 * work.macs / time / peak.fastest
        text = (
            f"{words}, {share:.0f} % of what {_card(device, timing)} does in its fastest float mode and "
            f"{100 * 2e3 * work.macs / time / peak.fp32:.0f} % of fp32, where it needs at least "
            f"{ms(least_ms(work.fewest, peak.fp32))}: the clock stopped before the card was done; {WAIT}"
        )
        yield _found(row, timing, _certain(work, "impossible"), "card", text)
        return
    declared = peak.of(timing.precision) if timing.precision else None
    usual = declared or max(peak.fp32, peak.tf32 or 0.0)
    if time * TOLERANCE < least_ms(work.fewest, usual):
        mode = timing.precision if declared else "fp32"
        text = (
            f"{words}, more than {_card(device, timing)} does in {mode} (at least {ms(least_ms(work.fewest, usual))}); "
            f"{'another precision ran' if declared else 'name the precision'}, or {WAIT}"
        )
        certain = declared is not None and work.fewest < work.macs
        yield _found(row, timing, _certain(work, "impossible" if certain else "suspicious"), "precision", text)


def _against_all(row: Row, timing: Timing, work: Work) -> Iterator[Finding]:
    """No known card is named: then against all of them."""
    time, words = timing.image_ms, f"{_speed(timing)} for {_amount(row, work)} is {_rate_of(work, timing.image_ms)}"
    if time * TOLERANCE < least_ms(work.fewest, FASTEST):
        text = f"{words}, more than any card does in any float mode: the clock stopped too early; {WAIT}"
        yield _found(row, timing, _certain(work, "impossible"), "card", text)
    elif time * TOLERANCE < least_ms(work.fewest, FASTEST_FP32):
        text = (
            f"{words}, more than any card does in fp32 (at most {FASTEST_FP32 / 1e12:.0f}); name device and precision"
        )
        yield _found(row, timing, "suspicious", "card", f"{text}, or {WAIT}")


def _certain(work: Work, severity: Severity) -> Severity:
    """Where a name leaves the network open, nothing is impossible."""
    return severity if work.sure else "suspicious"


def _speed(timing: Timing) -> str:
    if timing.latency:
        return ms(timing.image_ms)
    return f"{timing.entry.figure.value:.4g} images/s ({ms(timing.image_ms)} each)"


def _amount(row: Row, work: Work) -> str:
    if work.by.startswith("the row's"):
        return work.by
    size = f" at {row.size[0]}x{row.size[1]}" if row.size else ""
    return f"{giga(work.macs)} GMAC ({work.by}{'' if work.sure else ' if it is that'}{size})"


def _rate_of(work: Work, time_ms: float) -> str:
    return f"{2e3 * work.macs / time_ms / 1e12:.3g} TFLOP/s"


def _card(device: Device, timing: Timing) -> str:
    return f"the {device.label}{f' ({timing.device_from})' if timing.device_from else ''}"


def _found(row: Row, timing: Timing, severity: Severity, rule: str, text: str, column: str = "") -> Finding:
    entry = timing.entry
    return Finding(severity, rule, entry.line, row.label, column or entry.column, text, row.table)
