"""Words that people use for a device -> the published figures of the card they mean.

Whole words only, and a word that makes it another card (`4090 Laptop`, `3090 Ti`) makes it an unknown one.  Where a
short name leaves the variant open (`V100`), the fastest is taken: what it cannot do, none of them can.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.audit.known import tokens
from bench.cost.cards import CARDS, Card
from bench.cost.peaks import Peak, card, published

_SHORT = {
    "p100": "Tesla P100-SXM2-16GB",
    "v100": "Tesla V100-SXM2-16GB",
    "t4": "Tesla T4",
    "2080 ti": "NVIDIA GeForce RTX 2080 Ti",
    "2080ti": "NVIDIA GeForce RTX 2080 Ti",
    "a100": "NVIDIA A100-SXM4-80GB",
    "a10": "NVIDIA A10",
    "a10g": "NVIDIA A10G",
    "3090": "NVIDIA GeForce RTX 3090",
    "rtx3090": "NVIDIA GeForce RTX 3090",
    "l4": "NVIDIA L4",
    "l40s": "NVIDIA L40S",
    "4090": "NVIDIA GeForce RTX 4090",
    "rtx4090": "NVIDIA GeForce RTX 4090",
    "5090": "NVIDIA GeForce RTX 5090",
    "rtx5090": "NVIDIA GeForce RTX 5090",
    "h100": "NVIDIA H100 80GB HBM3",
    "h100 pcie": "NVIDIA H100 PCIe",
    "h200": "NVIDIA H200",
    "b200": "NVIDIA B200",
    "agx orin": "Jetson AGX Orin",
    "orin nx": "Jetson Orin NX 16GB",
}
_ANOTHER = {"ti", "d", "super", "laptop", "mobile", "max", "nvl", "s", "x2", "x4", "x8", "cpu"}
_BEFORE = {"2x", "4x", "8x", "16x", "2", "4", "8", "16", "gb", "grace", "rtxa", "quadro"}
_MAKERS = {"rtx", "geforce", "nvidia", "gpu"}
_PROCESSORS = {"cpu", "i3", "i5", "i7", "i9", "xeon", "epyc", "ryzen", "core", "m1", "m2", "m3", "m4", "arm", "cortex"}


_NAMELESS = {"cuda", "gpu", "nvidia", "0", "1", "device", "yes"}
NAMES = tuple(sorted(key.upper() for key in _SHORT))


class Device(NamedTuple):
    """`label` as its maker calls it; `peak` None for a processor or a card that is not in the table."""

    label: str
    peak: Peak | None


def device(text: str) -> Device | None:
    """The one device that a cell names: without a peak where it is no card of the table, None where it is silent."""
    row = card(text)
    if row:
        return Device(row.names[0], published(row))
    found = mentioned(text)
    if len(found) == 1 and not is_processor(text):
        return Device(*next((label, published(row)) for label, row in found.items()))
    return Device(" ".join(text.split()), None) if set(tokens(text)) - _NAMELESS else None


def mentioned(text: str) -> dict[str, Card]:
    """Every card of the table that stands in a text: maker's name -> its figures."""
    words, found, end = tokens(text)[:200], dict[str, Card](), 0
    for start, length in ((s, n) for s in range(len(words)) for n in (2, 1)):
        name = _SHORT.get(" ".join(words[start : start + length]))
        if name is None or start < end or start + length > len(words):
            continue
        end = start + length
        before, after = words[start - 1] if start else "", words[end] if end < len(words) else ""
        bare = words[start].isdigit() and before not in _MAKERS and len(words) > 3  # `3090 images` is no card
        if not bare and before not in _BEFORE and after not in _ANOTHER:
            found[name] = next(row for row in CARDS if name in row.names)
    return found


def spoken(text: str) -> Device | None:
    """The one card of the table, or the processor, in a line of text; None where it speaks of neither."""
    found = mentioned(text)
    if len(found) == 1:
        return device(next(iter(found)))
    return Device("CPU", None) if not found and is_processor(text) else None


def is_processor(text: str) -> bool:
    """Whether a text speaks of a CPU."""
    return bool(_PROCESSORS & set(tokens(text)))
