"""Times of a workload -> what can be true of them: a verdict, flags, and the reason to refuse them.  No torch.

The rules are functions of numbers in `bench.cost.rules`; here they meet a workload's series and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.cost import rules
from bench.cost.peaks import Peak, peak
from bench.cost.rules import Finding
from bench.spec import JSON
from bench.spec.timing import Series, Verdict, Workload

Sibling = tuple[Workload, Mapping[str, Series], int | None]
"""Another workload of the same session, its series and its multiply-adds per image."""

WORST: tuple[Verdict, ...] = ("impossible", "invalid", "suspect", "launch-bound", "not checked", "ok")


@dataclass(frozen=True)
class Judgement:
    """`verdict` is the worst that a rule found; `refused` says why no table may show the figures, else None."""

    verdict: Verdict
    flags: tuple[str, ...]
    refused: str | None


def judge(
    times: Mapping[str, Series],
    *,
    workload: Workload,
    macs: int | None,
    winograd_macs: int | None,
    weight_bytes: int,
    io_bytes: int,
    gpu_name: str | None,
    gpu_facts: Mapping[str, JSON],
    siblings: Sequence[Sibling] = (),
) -> Judgement:
    """Apply the rules R1 to R9 to one workload of one process.

    `times` holds the series `e2e`, `device`, `enqueue`, `cpu` as far as measured, ms per call of `workload.batch`
    images.  `macs` are multiply-adds of one image, `winograd_macs` those that `bench.cost.peaks.winograd` leaves of
    them (None: not known); `weight_bytes` are those of the deployed weights, `io_bytes` of one image and its output,
    both as stored in the workload's precision.  `gpu_name` is None on a CPU, where no peak is known: the verdict is
    then at best `not checked`.
    """
    if not times:
        return Judgement("not checked", ("no times",), None)
    card = peak(gpu_name, gpu_facts) if gpu_name else None
    found = _own(times)
    if card is None or macs is None:
        # A processor's peak is never known: its verdict says enough.
        found.append(Finding("not checked", "peak not checked" if gpu_name else ""))
    else:
        moved = weight_bytes + workload.batch * io_bytes
        found += _against(card, times, workload, macs, winograd_macs, moved)
    found += _beside(times, workload, macs, siblings, card, on_gpu=gpu_name is not None)
    verdict: Verdict = min((finding.verdict for finding in found), key=WORST.index, default="ok")
    refused = next((f.text for f in found if f.verdict == verdict and verdict in ("impossible", "invalid")), None)
    flags = [finding.flag for finding in found] + unsteady(times.get("e2e"), on_gpu=gpu_name is not None)
    return Judgement(verdict, tuple(dict.fromkeys(flag for flag in flags if flag)), refused)


# ------------------------------------------------------------------ the rules by what they need


def _own(times: Mapping[str, Series]) -> list[Finding]:
    """What the times of one workload say of one another: R7, R8, launches."""
    found = [rules.spread(times[name].mean, times[name].std) for name in ("e2e", "device") if name in times]
    enqueue, device = times.get("enqueue"), times.get("device")
    if enqueue and device:
        found.append(rules.launch_bound(enqueue.median, device.median))
        if "e2e" in times:
            found.append(rules.unwaited(times["e2e"].median, enqueue.median, device.median))
    return [finding for finding in found if finding]


def _against(
    card: Peak, times: Mapping[str, Series], workload: Workload, macs: int, winograd_macs: int | None, moved: int
) -> list[Finding]:
    """R1 to R4: the shortest honest time against what the card needs.

    Weights and images that fit into the L2 cache need not be moved: only what is beyond it counts.
    """
    batch, declared = workload.batch, card.of(workload.precision)
    time = min(times[name].median for name in ("e2e", "device") if name in times) if _timed(times) else None
    if time is None:
        return [Finding("not checked", "no time to check")]
    fewest = macs if winograd_macs is None else winograd_macs
    hard = rules.above_every_peak(time, batch * macs, rules.least_ms(batch * fewest, card.fastest), card.fastest)
    beyond = max(0.0, moved - (card.l2_bytes or moved))
    hard = hard or rules.above_bandwidth(time, beyond, card.bytes_per_s)
    if hard:
        return [hard]
    if declared is None:
        return [Finding("not checked", f"no {workload.precision} peak known")]
    # An unknown share of Winograd convolutions may be all of them; R3 doubts what lies between.
    fewest = macs // 4 if winograd_macs is None else winograd_macs
    found = rules.above_declared_peak(time, rules.least_ms(batch * fewest, declared), workload.precision)
    share = 2e3 * batch * macs / time / declared
    found = found or rules.efficiency(share, launch_bound=_launch_bound(times))
    return [found] if found else []


def _beside(
    times: Mapping[str, Series],
    workload: Workload,
    macs: int | None,
    siblings: Sequence[Sibling],
    card: Peak | None,
    *,
    on_gpu: bool,
) -> list[Finding]:
    """R5, R6, R9 and graph against eager: workloads that differ in one thing only."""
    found: list[Finding | None] = []
    batches: dict[int, Mapping[str, Series]] = {**_by(siblings, workload, "batch"), workload.batch: times}
    share = _share(times, workload, macs, card)
    if len(batches) > 1 and workload.batch == max(batches):
        kept = {b: _steady(t) for b, t in batches.items() if not _launch_bound(t)}
        if workload.batch in kept and len(kept) > 1:
            found.append(rules.batch_growth(kept, share))
        found.append(rules.batch_blind(_medians(batches, "e2e"), _medians(batches, "enqueue")))
    found.append(_sizes(times, workload, macs, siblings))
    eager = _by(siblings, workload, "mode").get("eager")
    if workload.mode == "graph" and eager and _steady(times) > 1.05 * _steady(eager):
        text = "a replayed graph is slower than the calls it was made of; clocks moved between the two: measure again"
        found.append(Finding("suspect", "graph slower than eager", text))
    if macs and _busy(share, times, on_gpu):
        for other, theirs, their_macs in siblings:
            same = {"model": other.model, "num_classes": other.num_classes}
            alike = workload.model_copy(update=same) == other and workload.model != other.model
            if alike and their_macs and _busy(_share(theirs, other, their_macs, card), theirs, on_gpu):
                found.append(rules.rank(_steady(times) / _steady(theirs), macs / their_macs, other.model.name))
    return [finding for finding in found if finding]


def _sizes(
    times: Mapping[str, Series], workload: Workload, macs: int | None, siblings: Sequence[Sibling]
) -> Finding | None:
    """R6 at the last step: this workload is the largest, the next smaller one is its sibling."""
    sizes = [(m, t) for w, t, m in siblings if m and _timed(t) and w == workload.model_copy(update={"size": w.size})]
    if not macs or not sizes or max(m for m, _ in sizes) > macs or _launch_bound(times):
        return None
    less, theirs = max(sizes, key=lambda pair: pair[0])
    return rules.size_growth(macs / less, _steady(times) / _steady(theirs))


# ------------------------------------------------------------------ small readings


def _timed(times: Mapping[str, Series]) -> bool:
    return "e2e" in times or "device" in times


def _steady(times: Mapping[str, Series]) -> float:
    """Device time where known: what the host's launches do not hide."""
    return (times.get("device") or times["e2e"]).median


def _medians(batches: Mapping[int, Mapping[str, Series]], name: str) -> dict[int, float]:
    return {batch: times[name].median for batch, times in batches.items() if name in times}


def _by(siblings: Sequence[Sibling], workload: Workload, key: str) -> dict[Any, Mapping[str, Series]]:
    """Siblings that differ from `workload` in `key` alone."""
    return {
        getattr(other, key): times
        for other, times, _ in siblings
        if _timed(times) and other == workload.model_copy(update={key: getattr(other, key)})
    }


def _share(times: Mapping[str, Series], workload: Workload, macs: int | None, card: Peak | None) -> float | None:
    declared = card.of(workload.precision) if card else None
    if declared is None or macs is None or not _timed(times) or _steady(times) <= 0:
        return None
    return 2e3 * workload.batch * macs / _steady(times) / declared


def _launch_bound(times: Mapping[str, Series]) -> bool:
    enqueue, device = times.get("enqueue"), times.get("device")
    return bool(enqueue and device and rules.launch_bound(enqueue.median, device.median))


def _busy(share: float | None, times: Mapping[str, Series], on_gpu: bool) -> bool:
    """Whether arithmetic decides the time: then two models' times compare like their multiply-adds."""
    if not _timed(times) or _steady(times) <= 0 or _launch_bound(times):
        return False
    return share is not None and share >= rules.BUSY if on_gpu else True


def unsteady(series: Series | None, *, on_gpu: bool) -> list[str]:
    """Flags of a spread that readers are warned of: thresholds of trtexec, torch.utils.benchmark and pyperf."""
    if series is None or series.median <= 0:
        return []
    cv, iqr, flags = series.cv or 0.0, series.iqr / series.median, []
    if cv > (0.025 if on_gpu else 0.10):
        flags.append(f"std {100 * cv:.0f} % of mean" if cv > 0.1 else f"std {100 * cv:.1f} % of mean")
    if iqr > 0.10:
        flags.append(f"IQR {100 * iqr:.0f} % of median")
    if series.max > 1.5 * series.mean:
        flags.append(f"max {series.max / series.mean:.1f} x mean")
    if (series.ac1 or 0.0) > 0.5:
        flags.append(f"readings depend on one another (ac1 {series.ac1:.2f})")
    if abs(series.drift or 0.0) > (0.005 if on_gpu else 0.02):
        flags.append(f"drift {100 * (series.drift or 0.0):+.1f} %")
    return flags
