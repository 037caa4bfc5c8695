"""A graphics card's name -> its arithmetic peak, from published figures; an unknown card has none.

Dense figures (no sparsity), tensor cores with float32 accumulation.  Look-ups are by the whole normalised name, never
by a part of it: "L4" is in "L40S", "A10" in "A100", and a laptop's RTX 4090 is another chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "tf32", "fp16", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """Peaks in TFLOP/s, None where the hardware lacks the mode.

    `fp16` accumulates in float32; `fastest` is the highest of any float mode, also of those torch does not use (fp16
    accumulation on GeForce, the larger of two published figures where sources disagree): a hard bound needs it.
    `sms` and the two boost clocks let a test recompute every figure; `note` says where that cannot agree.
    """

    names: tuple[str, ...]
    capability: tuple[int, int]
    sms: int
    boost_ghz: float
    fp32: float
    tf32: float | None
    fp16: float | None
    source: str
    fastest: float | None = None
    tensor_ghz: float | None = None
    note: str = ""


_AMPERE = "NVIDIA A100 Tensor Core GPU Architecture whitepaper, table P100/V100/A100"
_DATASHEETS = "Lightning-AI/pytorch-lightning, fabric/utilities/throughput.py, and the NVIDIA datasheets it cites"
_BLACKWELL = "NVIDIA RTX Blackwell GPU Architecture whitepaper V1.1, appendix A"
_SPECS = "winston-zhang-orz/gpu-specs, specs.md"
_LOCKWOOD = "glennklockwood.com, pages H100, H200 and B200"

CARDS = (
    Card(
        names=("Tesla P100-SXM2-16GB",),
        capability=(6, 0),
        sms=56,
        boost_ghz=1.480,
        fp32=10.6,
        tf32=None,
        fp16=21.2,
        source=_AMPERE,
        note="fp16 at twice the fp32 rate, no tensor cores",
    ),
    Card(
        names=("Tesla P100-PCIE-16GB", "Tesla P100-PCIE-12GB"),
        capability=(6, 0),
        sms=56,
        boost_ghz=1.303,
        fp32=9.3,
        tf32=None,
        fp16=18.7,
        source="sysrqmts.com, Tesla P100 PCIe",
        note="fp16 at twice the fp32 rate, no tensor cores",
    ),
    Card(
        names=("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB"),
        capability=(7, 0),
        sms=80,
        boost_ghz=1.53,
        fp32=15.7,
        tf32=None,
        fp16=125.0,
        source=_DATASHEETS,
    ),
    Card(
        names=("Tesla V100-PCIE-16GB", "Tesla V100-PCIE-32GB"),
        capability=(7, 0),
        sms=80,
        boost_ghz=1.37,
        fp32=14.0,
        tf32=None,
        fp16=112.0,
        source=_DATASHEETS,
    ),
    Card(
        names=("Tesla T4",),
        capability=(7, 5),
        sms=40,
        boost_ghz=1.59,
        fp32=8.1,
        tf32=None,
        fp16=65.0,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA GeForce RTX 2080 Ti",),
        capability=(7, 5),
        sms=68,
        boost_ghz=1.635,
        fp32=14.2,
        tf32=None,
        fp16=56.9,
        fastest=113.8,
        source="NVIDIA, Turing architecture in depth; the Founders Edition's clock",
    ),
    Card(
        names=(
            "NVIDIA A100-SXM4-40GB",
            "NVIDIA A100-SXM4-80GB",
            "NVIDIA A100-PCIE-40GB",
            "NVIDIA A100 80GB PCIe",
        ),
        capability=(8, 0),
        sms=108,
        boost_ghz=1.41,
        fp32=19.5,
        tf32=156.0,
        fp16=312.0,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA A10",),
        capability=(8, 6),
        sms=72,
        boost_ghz=1.695,
        fp32=31.2,
        tf32=62.5,
        fp16=125.0,
        source=_SPECS,
    ),
    Card(
        names=("NVIDIA A10G",),
        capability=(8, 6),
        sms=80,
        boost_ghz=1.71,
        fp32=35.0,
        tf32=35.0,
        fp16=70.0,
        fastest=125.0,
        source="arithmetic from SM count and clock",
        note="sources disagree: the A10's 125 is often printed for it, and is the bound here",
    ),
    Card(
        names=("NVIDIA GeForce RTX 3090",),
        capability=(8, 6),
        sms=82,
        boost_ghz=1.695,
        fp32=35.6,
        tf32=35.6,
        fp16=71.0,
        fastest=142.0,
        source="NVIDIA GA102 whitepaper",
    ),
    Card(
        names=("NVIDIA L4",),
        capability=(8, 9),
        sms=58,
        boost_ghz=2.04,
        fp32=30.3,
        tf32=60.0,
        fp16=121.0,
        source=_SPECS,
    ),
    Card(
        names=("NVIDIA L40S",),
        capability=(8, 9),
        sms=142,
        boost_ghz=2.52,
        fp32=91.6,
        tf32=183.0,
        fp16=362.0,
        source=_SPECS,
    ),
    Card(
        names=("NVIDIA GeForce RTX 4090",),
        capability=(8, 9),
        sms=128,
        boost_ghz=2.52,
        fp32=82.6,
        tf32=82.6,
        fp16=165.2,
        fastest=330.3,
        source=_BLACKWELL,
    ),
    Card(
        names=("NVIDIA GeForce RTX 5090",),
        capability=(12, 0),
        sms=170,
        boost_ghz=2.407,
        fp32=104.8,
        tf32=104.8,
        fp16=209.5,
        fastest=419.0,
        source=_BLACKWELL,
    ),
    Card(
        names=("NVIDIA H100 PCIe",),
        capability=(9, 0),
        sms=114,
        boost_ghz=1.755,
        tensor_ghz=1.62,
        fp32=51.0,
        tf32=378.0,
        fp16=756.0,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA H100 80GB HBM3",),
        capability=(9, 0),
        sms=132,
        boost_ghz=1.98,
        tensor_ghz=1.83,
        fp32=67.0,
        tf32=494.7,
        fp16=989.4,
        source=_LOCKWOOD,
    ),
    Card(
        names=("NVIDIA H200",),
        capability=(9, 0),
        sms=132,
        boost_ghz=1.98,
        tensor_ghz=1.83,
        fp32=67.0,
        tf32=494.7,
        fp16=989.4,
        source=_LOCKWOOD,
    ),
    Card(
        names=("NVIDIA B200",),
        capability=(10, 0),
        sms=148,
        boost_ghz=1.98,
        tensor_ghz=1.86,
        fp32=80.0,
        tf32=1100.0,
        fp16=2250.0,
        source=_LOCKWOOD,
        note="fp32 as published is 7 % above 75 TFLOP/s from SM count and clock",
    ),
)


def normalised(device_name: str) -> str:
    """The name without its maker's words, in one spelling: drivers before 2021 leave "NVIDIA" out."""
    words = device_name.casefold().split()
    while words and words[0] in ("nvidia", "tesla", "geforce"):
        words = words[1:]
    return " ".join(words)


_BY_NAME = {normalised(name): card for card in CARDS for name in card.names}


def card(device_name: str) -> Card | None:
    """The row of a card as torch or NVML call it, or None."""
    return _BY_NAME.get(normalised(device_name))


def peak_flops(device_name: str, precision: Precision) -> float | None:
    """Peak FLOP/s of a card in a precision; None for an unknown card or a mode that it lacks."""
    row = card(device_name)
    if row is None:
        return None
    has_bf16 = row.capability >= (8, 0)
    teraflops = {"fp32": row.fp32, "tf32": row.tf32, "fp16": row.fp16, "bf16": row.fp16 if has_bf16 else None}[
        precision
    ]
    return None if teraflops is None else teraflops * 1e12


def fastest_flops(device_name: str) -> float | None:
    """The most FLOP/s that any float mode of the card can reach: no timing of float work may imply more."""
    row = card(device_name)
    if row is None:
        return None
    return 1e12 * max(figure for figure in (row.fp32, row.tf32, row.fp16, row.fastest) if figure is not None)
