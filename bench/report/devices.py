"""A record's surroundings -> the device and software its times belong to; when times of two may be compared, and names.

Times are pooled only under one `Device`: same folder, protocol, threads, driver, CUDA, cuDNN and torch.  A time may be
divided by another only if protocol, torch and, between two cards, cuDNN are the same: with them kernels change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.report import wording
from bench.spec import BenchError, CostRecord, LatencyRecord, printable
from bench.store import Stored


@dataclass(frozen=True, order=True, kw_only=True)
class Device:
    """One column of a comparison.  Versions are `major.minor` ('' where not recorded), the driver's its major number.

    Driver, CUDA and cuDNN are '' on a CPU: torch's own copies of them decide nothing there.  `threads` are the CPU's, 0
    where they are not told or decide nothing.
    """

    slug: str
    label: str
    origin: str
    protocol: int
    threads: int
    on_card: bool
    torch: str
    cudnn: str = ""
    cuda: str = ""
    driver: str = ""

    @property
    def software(self) -> str:
        """`torch 2.15, cuDNN 9.10, CUDA 13.2, driver 580`."""
        told = (("torch", self.torch), ("cuDNN", self.cudnn), ("CUDA", self.cuda), ("driver", self.driver))
        return ", ".join(f"{name} {version}" for name, version in told if version) or "software not recorded"


def device_of(stored: Stored[LatencyRecord] | Stored[CostRecord], protocol: int, threads: int | None) -> Device:
    """Where and with what a record was measured."""
    record, card = stored.record, card_of(stored.record.machine)
    versions = {name: record.software.get(name) for name in ("torch", "cuda", "cudnn")}
    known = {"cuda": short(versions["cuda"]), "cudnn": _cudnn(versions["cudnn"])} if card else {}
    return Device(
        slug=stored.path.parent.name,
        label=printable(record.device),
        origin=stored.origin,
        protocol=protocol,
        threads=threads or 0,
        on_card=bool(card),
        torch=short(versions["torch"]),
        driver=short(card.get("driver")).partition(".")[0] if card else "",
        **known,
    )


def card_of(machine: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a record says of its graphics card; empty on a CPU."""
    card = machine.get("gpu")
    return card if isinstance(card, Mapping) else {}


_VERSION = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?(?:[-+.A-Za-z][-+.\w]*)?", re.ASCII)
"""The first two numbers of a version, in a text that is one from end to end: `1. item` is none."""


def short(version: object) -> str:
    """`2.15` of `2.15.0+cu132`; '' for what is no version."""
    found = _VERSION.fullmatch(version) if isinstance(version, str) else None
    return ".".join(part for part in found.groups() if part) if found else ""


def _cudnn(number: object) -> str:
    """`9.10` of 91002 and `8.9` of 8902, as torch counts."""
    if not isinstance(number, int):
        return short(number)
    major, rest = divmod(number, 10_000 if number >= 90_000 else 1_000)
    return f"{major}.{rest // 100}"


def difference(one: Device, other: Device, *, across_software: bool = False) -> str:
    """Why times of two devices may not be divided, in words that name `one` first; '' where they may."""
    if one.protocol != other.protocol:
        return f"measured by protocol {one.protocol} and {other.protocol}"
    if across_software:
        return ""
    told = [("torch", one.torch, other.torch)]
    told += [("cuDNN", one.cudnn, other.cudnn)] if one.on_card and other.on_card else []
    for name, own, its in told:
        if own != its or not own:
            both = wording.distinct([own or "not recorded", its or "not recorded"])
            return f"{name} {' and '.join(both)}"
    return ""


def named(devices: Iterable[Device]) -> dict[Device, str]:
    """A name for each that no other has: the label, and as much of what differs as tells them apart."""
    found = sorted(set(devices))
    names = {device: device.label for device in found}
    for tell in (
        lambda d: d.slug,
        lambda d: wording.ORIGINS[d.origin],
        lambda d: f"protocol {d.protocol}",
        lambda d: f"{d.threads or 'any'} threads",
        lambda d: f"torch {d.torch}",
        lambda d: f"cuDNN {d.cudnn}",
        lambda d: f"CUDA {d.cuda}",
        lambda d: f"driver {d.driver}",
    ):
        names = _told_apart(names, tell)
    return names


def _told_apart(names: dict[Device, str], tell: Any) -> dict[Device, str]:
    """Names that several have, with what `tell` says where that differs among them."""
    shared = {name for name, count in Counter(names.values()).items() if count > 1}
    said = {name: {tell(d) for d, own in names.items() if own == name} for name in shared}
    return {
        device: f"{name}, {tell(device)}" if name in shared and len(said[name]) > 1 else name
        for device, name in names.items()
    }


def chosen(wanted: Iterable[str], devices: Iterable[Device], key: str = "DEVICE") -> list[Device]:
    """The devices that the words name, by folder, label or a part of either; all of them for no words.

    Raises BenchError for a word that names none, or devices of several folders.
    """
    known = sorted(set(devices))
    words = list(wanted)
    picked = {device for word in words for device in _named_by(word, known, key)}
    return [device for device in known if device in picked or not words]


def _named_by(word: str, known: list[Device], key: str) -> list[Device]:
    exact = [d for d in known if word in (d.slug, d.label)]
    found = exact or [d for d in known if word.casefold() in f"{d.slug}\n{d.label}".casefold()]
    slugs = wording.distinct(d.slug for d in found)
    if len(slugs) == 1:
        return found
    told = ", ".join(slugs or wording.distinct(d.slug for d in known)) or "none"
    if slugs:
        raise BenchError(f"{word!r} is several devices: {told}", remedy="name one of them", key=key)
    raise BenchError(f"no device {word!r} has been measured here", remedy=f"known: {told}", key=key)
