"""A graphics card -> its arithmetic peak: published figures by its name, else computed from its chip, else None.

Look-ups are by the whole normalised name, never by a part of it: "L4" is in "L40S", "A10" in "A100", and a laptop's
RTX 4090 is another chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.cost.cards import CARDS, Card
from bench.spec import JSON

Precision = Literal["fp32", "tf32", "fp16", "bf16"]
TERA = 1e12

FP32_LANES = {(5, 0): 128, (5, 2): 128, (6, 0): 64, (6, 1): 128, (7, 0): 64, (7, 5): 64, (8, 0): 64}
FP32_LANES |= dict.fromkeys([(8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (12, 0)], 128)
"""Multiply-adds in float32 per SM and clock, by compute capability."""

TENSOR_FMA = {(7, 0): 512, (7, 5): 512, (8, 0): 1024, (8, 6): 512, (8, 7): 1024, (8, 9): 512}
TENSOR_FMA |= {(9, 0): 2048, (10, 0): 4096, (12, 0): 512}
"""Dense fp16 multiply-adds of the tensor cores per SM and clock; GeForce cards do half when they accumulate in fp32."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """FLOP/s per mode, None where the card lacks it; `fastest` is the most of any float mode.

    `bytes_per_s` (memory) and `l2_bytes` are None where they are not known.  `source` says where the figures are from.
    """

    fp32: float
    tf32: float | None
    fp16: float | None
    bf16: float | None
    fastest: float
    bytes_per_s: float | None
    l2_bytes: float | None
    source: str

    def of(self, precision: Precision) -> float | None:
        """FLOP/s in one precision."""
        found: float | None = getattr(self, precision)
        return found


def peak(gpu_name: str | None, gpu_facts: Mapping[str, JSON]) -> Peak | None:
    """The peak of a card that calls itself `gpu_name`; None where neither name nor chip is known.

    `gpu_facts` is what `bench.machine.describe` says under "gpu" (`capability` "8.6", `sm_count`, `max_sm_clock_mhz`,
    `l2_bytes`); empty where there is only a name.  A name whose SM count is another one than published (a slice of a
    card, a cut-down chip) is computed like an unknown card: SM x lanes x 2 x highest clock.
    """
    sms = gpu_facts.get("sm_count")
    rows = [row for row in _BY_NAME.get(normalised(gpu_name or ""), ()) if sms in (None, row.chip.sms)]
    if len(rows) == 1:
        return published(rows[0])
    return computed(gpu_name or "", gpu_facts)


def published(row: Card) -> Peak:
    """The figures of a row of the table."""
    return Peak(
        fp32=TERA * row.fp32,
        tf32=None if row.tf32 is None else TERA * row.tf32,
        fp16=TERA * row.fp16,
        bf16=TERA * row.fp16 if row.chip.capability >= (8, 0) else None,
        fastest=TERA * max(f for f in (row.fp32, row.tf32, row.fp16, row.fastest) if f is not None),
        bytes_per_s=1e9 * row.gb_s,
        l2_bytes=None if row.l2_mb is None else 1e6 * row.l2_mb,
        source=row.source,
    )


def computed(gpu_name: str, gpu_facts: Mapping[str, JSON]) -> Peak | None:
    """SM x multiply-adds per clock x 2 x highest SM clock; None for a generation that is not in the tables above."""
    sms, clock_mhz = gpu_facts.get("sm_count"), gpu_facts.get("max_sm_clock_mhz")
    capability = _capability(gpu_facts.get("capability"))
    lanes = FP32_LANES.get(capability) if capability else None
    per_fma = 2e6 * _positive(sms) * _positive(clock_mhz)
    if capability is None or lanes is None or not per_fma:
        return None
    fp32, words = lanes * per_fma, normalised(gpu_name).split()
    tensor = TENSOR_FMA.get(capability, 0) * per_fma
    if not tensor or words[:1] == ["gtx"]:  # GTX 16xx: Turing without tensor cores
        doubled = capability in ((6, 0), (7, 5))
        return Peak(
            fp32=fp32,
            tf32=None,
            fp16=2 * fp32 if doubled else None,
            bf16=None,
            fastest=2 * fp32 if doubled else fp32,
            bytes_per_s=None,
            l2_bytes=gpu_facts.get("l2_bytes"),
            source=_COMPUTED,
        )
    ampere, halved = capability >= (8, 0), "geforce" in gpu_name.casefold()
    fp16 = tensor / 2 if halved else tensor
    return Peak(
        fp32=fp32,
        tf32=fp16 / 2 if ampere else None,
        fp16=fp16,
        bf16=fp16 if ampere else None,
        fastest=tensor,
        bytes_per_s=None,
        l2_bytes=gpu_facts.get("l2_bytes"),
        source=_COMPUTED,
    )


_COMPUTED = "computed from SM count, compute capability and highest clock"


def _capability(text: JSON) -> tuple[int, int] | None:
    major, dot, minor = str(text or "").partition(".")
    return (int(major), int(minor)) if dot and major.isdigit() and minor.isdigit() else None


def _positive(figure: JSON) -> float:
    return figure if isinstance(figure, (int, float)) and figure > 0 else 0.0


def winograd(macs: int, eligible: int) -> int:
    """Multiplications that are left when the `eligible` ones (3x3, stride 1, undilated, ungrouped) take a quarter.

    F(4x4, 3x3) of Lavin and Gray 2015 (arXiv 1509.09308), the largest tile that cuDNN uses: a time may beat the direct
    count by as much and still be true.
    """
    return macs - eligible + eligible // 4


# ------------------------------------------------------------------ by name alone


def normalised(device_name: str) -> str:
    """The name without its maker's words, in one spelling: drivers before 2021 leave "NVIDIA" out."""
    words = device_name.casefold().split()
    while words and words[0] in ("nvidia", "tesla", "geforce"):
        words = words[1:]
    return " ".join(words)


_BY_NAME: dict[str, tuple[Card, ...]] = {}
for _row in CARDS:
    for _name in _row.names:
        _BY_NAME[normalised(_name)] = (*_BY_NAME.get(normalised(_name), ()), _row)


def card(device_name: str) -> Card | None:
    """The row of a card as torch or NVML call it; None for an unknown name and for one that several cards share."""
    rows = _BY_NAME.get(normalised(device_name), ())
    return rows[0] if len(rows) == 1 else None
