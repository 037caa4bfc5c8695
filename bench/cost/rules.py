"""Figures of one or two workloads -> what cannot be true of them: rules R1 to R10, each a function of numbers alone.

Times in ms per call, FLOP = 2 x multiply-adds; a rule that has nothing to say returns None.  R11 (counters that must
agree) is in `bench.cost.counts`, which raises; R12 (parameters of known networks) in `bench.audit.counting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bench.spec.timing import Verdict

TOLERANCE = 1.15
"""A card may run this much above its published peak: boost clocks beyond the nominal one."""

MAX_CV = 0.5
"""std / mean from which a mean says nothing: first call, queue or a smaller last batch among the readings."""

TOO_GOOD, TOO_SLOW, BUSY = 0.90, 0.01, 0.10
"""Shares of the peak: above the first no known kernel works, below the second the wrong device does, and from the
third on a network is bound by arithmetic rather than by launches and memory."""

LAUNCH_SHARE = 0.8
"""Enqueue time per device time above which the host decides how long a call takes (trtexec's threshold)."""

ALIKE, STEADY, GROWTH, APART = 0.10, 0.05, 1.3, 5.0
"""Enqueue and end-to-end time count as one within the first; times of several batches within the second; four times the
work must take at least the third as long; ratios of two models may differ by the fourth."""


class Finding(NamedTuple):
    """`flag` stands in a table's cell; `text` says what is wrong and what to do."""

    verdict: Verdict
    flag: str
    text: str = ""


# ------------------------------------------------------------------ one workload against its card


def least_ms(macs: float, flops: float) -> float:
    """The least time of `macs` multiply-adds at `flops` FLOP/s."""
    return 2e3 * macs / flops


def above_every_peak(time_ms: float, macs: float, least: float, fastest_flops: float) -> Finding | None:
    """R1: less than the card needs in its fastest float mode.  `macs` for the words, `least` in ms is the bound."""
    if time_ms * TOLERANCE >= least:
        return None
    share = 2e3 * macs / time_ms / fastest_flops if time_ms > 0 else float("inf")
    text = (
        f"impossible: {ms(time_ms)} for {macs / 1e9:.1f} GMAC is {share * fastest_flops / 1e12:.1f} TFLOP/s, "
        f"{100 * share:.0f} % of the card's peak in its fastest float mode; wait for the device before the clock stops"
        if time_ms > 0
        else "impossible: no time passed; wait for the device before the clock stops"
    )
    return Finding("impossible", f"{100 * share:.0f} % of peak" if time_ms > 0 else "no time passed", text)


def above_declared_peak(time_ms: float, least: float, precision: str) -> Finding | None:
    """R2: less than the card needs in the precision that the row claims."""
    if time_ms * TOLERANCE >= least:
        return None
    text = (
        f"impossible in {precision}: {ms(time_ms)} where the card needs at least {ms(least)}; a lower precision was on "
        "(TF32 often is by default): set it, or name the one that ran"
    )
    return Finding("impossible", f"not {precision}", text)


def above_bandwidth(time_ms: float, moved_bytes: float, bytes_per_s: float | None) -> Finding | None:
    """R2: less than the memory needs for bytes that every call must move."""
    least = 1e3 * moved_bytes / bytes_per_s if bytes_per_s else 0.0
    if time_ms * TOLERANCE >= least:
        return None
    text = (
        f"impossible: {ms(time_ms)} where the card's memory needs at least {ms(least)} for {moved_bytes / 1e6:.0f} MB "
        "of weights and images; wait for the device before the clock stops"
    )
    return Finding("impossible", "above the memory's bandwidth", text)


def efficiency(share: float, *, launch_bound: bool) -> Finding | None:
    """R3 and R4: a share of the declared peak, by the direct count, that real kernels do not reach or do not need."""
    if share > TOO_GOOD:
        text = f"{100 * share:.0f} % of the peak is more than kernels reach; check precision, batch and the timer"
        return Finding("suspect", f"{100 * share:.0f} % of peak", text)
    if share < TOO_SLOW and not launch_bound:
        text = f"{100 * share:.2g} % of the peak is very slow; check that the device did the work and ran at full clock"
        return Finding("suspect", f"slow ({100 * share:.2g} % of peak)", text)
    return None


def launch_bound(enqueue_ms: float, device_ms: float) -> Finding | None:
    """The host needs about as long to ask for the work as the device to do it."""
    if enqueue_ms <= LAUNCH_SHARE * device_ms:
        return None
    return Finding("launch-bound", "launch-bound", "the host's launches decide the time; --mode graph removes them")


def spread(mean: float, std: float | None) -> Finding | None:
    """R7: the readings vary by more than half their mean."""
    if std is None or std <= MAX_CV * mean:
        return None
    share = f"{100 * std / mean:.0f} %" if mean else "all"
    text = (
        f"invalid: the readings scatter by {share} of their mean (at most {100 * MAX_CV:.0f} %); "
        "warm up, time full batches, free the machine and measure again"
    )
    return Finding("invalid", f"std {share} of mean", text)


def unwaited(e2e_ms: float, enqueue_ms: float, device_ms: float) -> Finding | None:
    """R8: end to end is the enqueue time, though the device needs longer; or the three contradict one another."""
    later = device_ms > 1.02 * e2e_ms + 0.05
    if later and abs(e2e_ms - enqueue_ms) <= ALIKE * enqueue_ms:
        text = (
            f"invalid: end to end {ms(e2e_ms)} is the time to ask for the work, the device needs {ms(device_ms)}; "
            "wait for the device before the clock stops"
        )
        return Finding("invalid", "no wait for the device", text)
    if later or enqueue_ms * 0.98 > e2e_ms:
        text = (
            f"end to end {ms(e2e_ms)} is less than a part of it (device {ms(device_ms)}, enqueue {ms(enqueue_ms)}); "
            "clocks moved between the two measurements: measure again"
        )
        return Finding("suspect", "times contradict", text)
    return None


# ------------------------------------------------------------------ workloads against one another


def batch_growth(times_ms: Mapping[int, float], share: float | None) -> Finding | None:
    """R5: {batch: time}, and the largest batch's share of the peak (None: not known).

    A batch 8 times as large that takes less than twice as long, though it is 30 % busy: then the smaller one's
    7 % or less asks for another explanation, such as a timer that does not wait.
    """
    small, large = min(times_ms), max(times_ms)
    if share is None or share <= 0.30 or large == small:
        return None
    if times_ms[large] >= times_ms[small] * large / small / 4:
        return None
    text = (
        f"batch {large} takes {times_ms[large] / times_ms[small]:.2f} times as long as batch {small}; "
        "check that the timer waits for the device"
    )
    return Finding("suspect", "hardly grows with batch", text)


def batch_blind(e2e_ms: Mapping[int, float], enqueue_ms: Mapping[int, float]) -> Finding | None:
    """R5: one and the same time for three batches or more, and it is the time to ask for the work."""
    if len(e2e_ms) < 3 or max(e2e_ms) < 4 * min(e2e_ms) or max(e2e_ms.values()) > (1 + STEADY) * min(e2e_ms.values()):
        return None
    if any(abs(e2e_ms[batch] - enqueue_ms.get(batch, 0.0)) > ALIKE * e2e_ms[batch] for batch in e2e_ms):
        return None
    batches = ", ".join(str(batch) for batch in sorted(e2e_ms))
    text = f"invalid: batches of {batches} take the same time, that of asking for them; wait for the device"
    return Finding("invalid", "same time for every batch", text)


def size_growth(work_ratio: float, time_ratio: float) -> Finding | None:
    """R6: at the largest step in size, about four times the work in hardly more time."""
    if work_ratio < 3 or time_ratio >= GROWTH:
        return None
    text = f"{work_ratio:.1f} times the work takes {time_ratio:.2f} times as long; check that the timer waits"
    return Finding("suspect", "hardly grows with size", text)


def rank(time_ratio: float, expected_ratio: float, other: str) -> Finding | None:
    """R9: two models' times against their multiply-adds, or against their times on another device."""
    if 1 / APART <= time_ratio / expected_ratio <= APART:
        return None
    text = (
        f"takes {time_ratio:.2f} times as long as {other} where {expected_ratio:.2g} times is expected; "
        "one of the two was not timed to its end"
    )
    return Finding("suspect", f"out of proportion to {other}", text)


# ------------------------------------------------------------------ before any figure


def canaries(*, slept_share: float | None, no_op_ms: float, product_share: float | None) -> Finding | None:
    """R10: what the timer says of a known sleep (share of what was asked), of nothing, and of a large matrix product
    (share of the card's peak); None where one cannot be run.
    """
    if slept_share is not None and not 0.9 <= slept_share <= 1.1:
        text = f"the timer reads {100 * slept_share:.0f} % of a device sleep of known length: it does not wait for it"
        return Finding("invalid", "timer fails its canary", text)
    if no_op_ms > 0.1:
        return Finding("invalid", "timer fails its canary", f"the timer reads {ms(no_op_ms)} where nothing is done")
    if product_share is not None and not 0.40 <= product_share <= 1.05:
        text = (
            f"a large matrix product reaches {100 * product_share:.0f} % of the card's peak (40 to 105 expected): "
            "another program uses the card, it is throttled, or it is not the card it says"
        )
        return Finding("invalid", "card fails its canary", text)
    return None


# ------------------------------------------------------------------ words


def ms(time_ms: float) -> str:
    """`45.6 ms`, `4.03 ms`, `0.032 ms`: three figures."""
    return f"{time_ms:.3f} ms" if time_ms < 1 else f"{time_ms:.{max(0, 3 - len(str(int(time_ms))))}f} ms"
