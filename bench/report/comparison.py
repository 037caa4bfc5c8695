"""Rows of timings -> what devices take beside one another: times, ratios to one of them, and whether models keep order.

A time is divided by another only for the same network and settings under the same protocol and software; what is left
out is said.  Nothing is scaled by a card's peak: the dependence on the model is the finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.report import wording
from bench.report.devices import Device, chosen, difference, named
from bench.report.processes import Setting, Work
from bench.report.repeats import Ratio, geometric_mean, kendall, ratio
from bench.report.timings import Row
from bench.report.works import Labels

LAUNCH_BOUND = "launch-bound"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One device against its reference over the models of one setting.

    `mean` is the geometric mean of `models` ratios, `smallest` and `largest` of them; `tau` is Kendall's over
    all models timed on both, `swaps` the pairs that change places, each in words.
    """

    device: Device
    setting: Setting
    models: int
    mean: Ratio
    smallest: float
    largest: float
    tau: float | None
    swaps: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Cells (what was timed, device) -> rows; `bases` says by which device's times each device's are divided.

    `reasons` say why cells are not divided by one another, and what was left out.
    """

    time: str
    devices: tuple[Device, ...]
    names: dict[Device, str]
    works: tuple[Work, ...]
    labels: Labels
    cells: dict[tuple[Work, Device], Row]
    reference: Device
    bases: dict[Device, Device]
    ratios: dict[tuple[Work, Device], Ratio]
    reasons: tuple[str, ...]

    @cached_property
    def summaries(self) -> list[Summary]:
        """One per device that has a reference other than itself, and setting."""
        settings = sorted({work.setting for work in self.works})
        pairs = [(device, base) for device, base in self.bases.items() if device != base]
        found = (_summary(self, device, base, setting) for device, base in pairs for setting in settings)
        return [summary for summary in found if summary is not None]


def compare(
    rows: Sequence[Row],
    left_out: Sequence[str] = (),
    *,
    reference: str = "",
    across_software: bool = False,
    time: str = "e2e",
) -> Comparison | None:
    """Compare all devices of `rows`; None where there are none.

    Without a `reference` it is the device with most figures, cards before CPUs.  Raises BenchError for a reference that
    is not among them.
    """
    if not rows:
        return None
    cells = {(row.work, row.device): row for row in rows}
    figures = {d: sum(1 for row in rows if row.device == d and row.shown) for d in {row.device for row in rows}}
    order = sorted(figures, key=lambda d: (-figures[d], not d.on_card, d))
    able = chosen([reference], order, "--reference") if reference else order
    first = next(d for d in order if d in able)
    devices = sorted(figures, key=lambda d: (d != first, not d.on_card, d))
    names = named(devices)
    works = tuple(sorted({row.work for row in rows}, key=lambda w: (w.setting, w.model)))
    labels, bases = Labels(works), {device: _base(device, first, devices, across_software) for device in devices}
    ratios: dict[tuple[Work, Device], Ratio] = {}
    reasons: list[str] = []
    for device, base in bases.items():
        both = [(w, cells[w, device], cells[w, base]) for w in works if {(w, device), (w, base)} <= cells.keys()]
        both = [(w, own, other) for w, own, other in both if own.shown and other.shown and device != base]
        why = difference(device, base, across_software=across_software)
        if why and both:
            reasons.append(f"{names[device]} and {names[base]}: {why}")
        for work, own, other in () if why else both:
            if None not in (own.macs, other.macs) and own.macs != other.macs:
                counts = f"{wording.giga(own.macs)} and {wording.giga(other.macs)} GMAC"
                reasons.append(f"{labels.line(work)} on {names[device]} and {names[base]}: networks of {counts}")
            elif time in own.pooled and time in other.pooled:
                ratios[work, device] = ratio(own.pooled[time].medians, other.pooled[time].medians)
    return Comparison(
        time=time,
        devices=tuple(devices),
        names=names,
        works=works,
        labels=labels,
        cells=cells,
        reference=first,
        bases=bases,
        ratios=ratios,
        reasons=(*reasons, *(f"left out: {note}" for note in left_out)),
    )


def _base(device: Device, first: Device, devices: Sequence[Device], across_software: bool) -> Device:
    """The reference device under the software of `device`, where it was measured so; else `first`."""
    if device == first:
        return first
    same = [d for d in devices if d.slug == first.slug and d != device]
    same.sort(key=lambda d: d != first)
    return next((d for d in same if not difference(device, d, across_software=across_software)), first)


def _summary(comparison: Comparison, device: Device, base: Device, setting: Setting) -> Summary | None:
    time, cells = comparison.time, comparison.cells
    works = [w for w in comparison.works if w.setting == setting]
    ratios = [comparison.ratios[w, device].value for w in works if (w, device) in comparison.ratios]
    pairs = [(cells.get((w, device)), cells.get((w, base))) for w in works]
    both = [(a, b) for a, b in pairs if a and b and time in a.pooled and time in b.pooled]
    if not ratios or len(both) < 1 or device.protocol != base.protocol:
        return None
    orders = ([row.pooled[time].median for row in side] for side in zip(*both, strict=True))
    tau, swapped = kendall(*orders)
    return Summary(
        device=device,
        setting=setting,
        models=len(ratios),
        mean=geometric_mean(ratios),
        smallest=min(ratios),
        largest=max(ratios),
        tau=tau,
        swaps=tuple(_swap(comparison, both[i], both[j]) for i, j in swapped),
    )


def _swap(comparison: Comparison, one: tuple[Row, Row], other: tuple[Row, Row]) -> str:
    """`PIDNet-S and UNet-ResNet18 change places (launch-bound on NVIDIA H200: PIDNet-S)`."""
    label, names = comparison.labels.model, comparison.names
    bound = [(names[r.device], label(r.work)) for r in (*one, *other) if r.verdict == LAUNCH_BOUND]
    groups = wording.grouped(sorted(bound), lambda pair: pair[0])
    told = (f"launch-bound on {group[0][0]}: {', '.join(model for _, model in group)}" for group in groups)
    why = f" ({'; '.join(told)})" if groups else ""
    return f"{label(one[0].work)} and {label(other[0].work)} change places{why}"
