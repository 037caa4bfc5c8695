"""Graphics cards with published figures: arithmetic peaks, bandwidth and cache, each with its source.

Dense figures (no sparsity), tensor cores with float32 accumulation.  Every rate follows from SM count and clock within
2 %, or `note` says why not; a test recomputes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Chip(NamedTuple):
    """What the rates follow from; the tensor figures have a clock of their own on some cards."""

    capability: tuple[int, int]
    sms: int
    boost_ghz: float
    tensor_ghz: float | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """Peaks in TFLOP/s, None where the hardware lacks the mode; `gb_s` in 10^9 bytes/s, `l2_mb` in 10^6 bytes.

    `names` are what torch and NVML call it; cards that share a name differ in their SM count.  `fp16` accumulates in
    float32; `fastest` is the highest of any float mode where that is another one, also of modes torch does not use
    (fp16 accumulation on GeForce, the larger of two published figures where sources disagree): a hard bound needs it.
    """

    names: tuple[str, ...]
    chip: Chip
    fp32: float
    fp16: float
    gb_s: float
    source: str
    tf32: float | None = None
    fastest: float | None = None
    l2_mb: float | None = None
    note: str = ""


_AMPERE = "NVIDIA A100 Tensor Core GPU Architecture whitepaper, table P100/V100/A100"
_DATASHEETS = "Lightning-AI/pytorch-lightning, fabric/utilities/throughput.py, and the NVIDIA datasheets it cites"
_BLACKWELL = "NVIDIA RTX Blackwell GPU Architecture whitepaper V1.1, appendix A"
_SPECS = "winston-zhang-orz/gpu-specs, specs.md"
_LOCKWOOD = "glennklockwood.com, pages H100, H200 and B200"
_NO_TENSOR = "fp16 at twice the fp32 rate, no tensor cores"

CARDS = (
    Card(
        names=("Tesla P100-SXM2-16GB",),
        chip=Chip((6, 0), 56, 1.480),
        fp32=10.6,
        fp16=21.2,
        gb_s=732,
        l2_mb=4,
        source=_AMPERE,
        note=_NO_TENSOR,
    ),
    Card(
        names=("Tesla P100-PCIE-16GB", "Tesla P100-PCIE-12GB"),
        chip=Chip((6, 0), 56, 1.303),
        fp32=9.3,
        fp16=18.7,
        gb_s=732,
        l2_mb=4,
        source="sysrqmts.com, Tesla P100 PCIe",
        note=_NO_TENSOR + "; the 12 GB card has less bandwidth",
    ),
    Card(
        names=("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB"),
        chip=Chip((7, 0), 80, 1.53),
        fp32=15.7,
        fp16=125.0,
        gb_s=900,
        l2_mb=6,
        source=_DATASHEETS,
    ),
    Card(
        names=("Tesla V100-PCIE-16GB", "Tesla V100-PCIE-32GB"),
        chip=Chip((7, 0), 80, 1.37),
        fp32=14.0,
        fp16=112.0,
        gb_s=900,
        l2_mb=6,
        source=_DATASHEETS,
    ),
    Card(
        names=("Tesla T4",),
        chip=Chip((7, 5), 40, 1.59),
        fp32=8.1,
        fp16=65.0,
        gb_s=320,
        l2_mb=4,
        source=_DATASHEETS,
        note="some tables print 300 GB/s",
    ),
    Card(
        names=("NVIDIA GeForce RTX 2080 Ti",),
        chip=Chip((7, 5), 68, 1.635),
        fp32=14.2,
        fp16=56.9,
        fastest=113.8,
        gb_s=616,
        l2_mb=5.5,
        source="NVIDIA, Turing architecture in depth",
        note="the Founders Edition's clock; the reference card has the same name and 13.4 TFLOP/s",
    ),
    Card(
        names=("NVIDIA A100-SXM4-40GB", "NVIDIA A100-PCIE-40GB"),
        chip=Chip((8, 0), 108, 1.41),
        fp32=19.5,
        tf32=156.0,
        fp16=312.0,
        gb_s=1555,
        l2_mb=40,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA A100-SXM4-80GB",),
        chip=Chip((8, 0), 108, 1.41),
        fp32=19.5,
        tf32=156.0,
        fp16=312.0,
        gb_s=2039,
        l2_mb=40,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA A100 80GB PCIe",),
        chip=Chip((8, 0), 108, 1.41),
        fp32=19.5,
        tf32=156.0,
        fp16=312.0,
        gb_s=1935,
        l2_mb=40,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA A10",),
        chip=Chip((8, 6), 72, 1.695),
        fp32=31.2,
        tf32=62.5,
        fp16=125.0,
        gb_s=600,
        l2_mb=6,
        source=_SPECS,
    ),
    Card(
        names=("NVIDIA A10G",),
        chip=Chip((8, 6), 80, 1.71),
        fp32=35.0,
        tf32=35.0,
        fp16=70.0,
        fastest=125.0,
        gb_s=600,
        l2_mb=6,
        source="arithmetic from SM count and clock",
        note="sources disagree: the A10's 125 is often printed for it, and is the bound here",
    ),
    Card(
        names=("NVIDIA GeForce RTX 3090",),
        chip=Chip((8, 6), 82, 1.695),
        fp32=35.6,
        tf32=35.6,
        fp16=71.0,
        fastest=142.0,
        gb_s=936,
        l2_mb=6,
        source="NVIDIA GA102 whitepaper",
    ),
    Card(
        names=("NVIDIA L4",),
        chip=Chip((8, 9), 58, 2.04),
        fp32=30.3,
        tf32=60.0,
        fp16=121.0,
        gb_s=300,
        l2_mb=48,
        source=_SPECS,
    ),
    Card(
        names=("NVIDIA L40S",),
        chip=Chip((8, 9), 142, 2.52),
        fp32=91.6,
        tf32=183.0,
        fp16=362.0,
        gb_s=864,
        l2_mb=96,
        source=_SPECS,
    ),
    Card(
        names=("NVIDIA GeForce RTX 4090",),
        chip=Chip((8, 9), 128, 2.52),
        fp32=82.6,
        tf32=82.6,
        fp16=165.2,
        fastest=330.3,
        gb_s=1008,
        l2_mb=72,
        source=_BLACKWELL,
    ),
    Card(
        names=("NVIDIA GeForce RTX 5090",),
        chip=Chip((12, 0), 170, 2.407),
        fp32=104.8,
        tf32=104.8,
        fp16=209.5,
        fastest=419.0,
        gb_s=1792,
        l2_mb=96,
        source=_BLACKWELL,
    ),
    Card(
        names=("NVIDIA H100 PCIe",),
        chip=Chip((9, 0), 114, 1.755, 1.62),
        fp32=51.0,
        tf32=378.0,
        fp16=756.0,
        gb_s=2000,
        l2_mb=50,
        source=_DATASHEETS,
    ),
    Card(
        names=("NVIDIA H100 80GB HBM3",),
        chip=Chip((9, 0), 132, 1.98, 1.83),
        fp32=67.0,
        tf32=494.7,
        fp16=989.4,
        gb_s=3350,
        l2_mb=50,
        source=_LOCKWOOD,
    ),
    Card(
        names=("NVIDIA H200",),
        chip=Chip((9, 0), 132, 1.98, 1.83),
        fp32=67.0,
        tf32=494.7,
        fp16=989.4,
        gb_s=4800,
        l2_mb=50,
        source=_LOCKWOOD,
    ),
    Card(
        names=("NVIDIA B200",),
        chip=Chip((10, 0), 148, 1.98, 1.86),
        fp32=80.0,
        tf32=1100.0,
        fp16=2250.0,
        gb_s=8000,
        source=_LOCKWOOD,
        note="fp32 as published is 7 % above SM count x clock, tf32 (sources: 1100 to 1130) 2.4 % below; L2 disputed",
    ),
    Card(
        names=("Orin", "Jetson AGX Orin", "NVIDIA Jetson AGX Orin Developer Kit"),
        chip=Chip((8, 7), 16, 1.30),
        fp32=5.3,
        tf32=21.3,
        fp16=42.5,
        gb_s=204.8,
        l2_mb=4,
        source="mzph.cn/web/30785, a summary of NVIDIA's Jetson AGX Orin brief",
        note="the 64 GB module; tensor figures derived from 170 sparse INT8 TOPS",
    ),
    Card(
        names=("Orin", "Jetson Orin NX 16GB"),
        chip=Chip((8, 7), 8, 0.918),
        fp32=1.88,
        tf32=7.5,
        fp16=15.0,
        gb_s=102,
        source="arithmetic from SM count and clock; InJuly7, Jetson Orin NX page",
        note="the 16 GB module at 0.918 GHz; an Orin Nano Super shares name and SM count and runs at 1.02 GHz",
        fastest=16.7,
    ),
)
