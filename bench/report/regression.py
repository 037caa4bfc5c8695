"""Rows of now and of a base -> what has become slower on the same device; what cannot be told is not called slower."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.devices import Device, difference
from bench.report.repeats import Ratio, ratio
from bench.report.timings import Row

LOST = "figures lost"


@dataclass(frozen=True)
class Change:
    """One row now and in the base; `ratio` is now / base, None where `reason` says why they are not divided."""

    now: Row
    base: Row
    ratio: Ratio | None
    reason: str = ""

    def fails(self, limit: float) -> bool:
        """Surely slower, by more than `limit` (0.05 is 5 %); or refused or failed where the base has figures."""
        if self.ratio is None:
            return self.reason == LOST
        return self.ratio.verdict == "SLOWER" and self.ratio.value > 1 + limit


def changes(
    now: Sequence[Row], base: Sequence[Row], *, across_software: bool = False, time: str = "e2e"
) -> list[Change]:
    """A change per row of the base that has figures and was timed again, in the order of `now`."""
    found = []
    for row in now:
        matches = [b for b in base if b.shown and b.work == row.work and _same(b.device, row.device)]
        matches.sort(key=lambda b: (bool(difference(row.device, b.device)), _unlike(row.device, b.device), b.device))
        found += [_change(row, b, across_software, time) for b in matches[:1]]
    return found


def _same(one: Device, other: Device) -> bool:
    return (one.slug, one.label, one.threads) == (other.slug, other.label, other.threads)


def _unlike(one: Device, other: Device) -> int:
    """In how many versions two contexts differ."""
    return sum(a != b for a, b in zip(_versions(one), _versions(other), strict=True))


def _versions(device: Device) -> Iterable[str]:
    return device.torch, device.cudnn, device.cuda, device.driver, device.origin


def _change(now: Row, base: Row, across_software: bool, time: str) -> Change:
    if not now.shown:
        return Change(now, base, None, LOST)
    why = difference(now.device, base.device, across_software=across_software)
    if not why and None not in (now.macs, base.macs) and now.macs != base.macs:
        why = "the network has other counts"
    if not why and not (time in now.pooled and time in base.pooled):
        why = f"{time} was not measured in both"
    if why:
        return Change(now, base, None, why)
    return Change(now, base, ratio(now.pooled[time].medians, base.pooled[time].medians))
