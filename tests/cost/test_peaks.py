"""Every figure is recomputed from the chip, and no name is mistaken for another."""

from __future__ import annotations

import pytest

from bench.cost.cards import CARDS, Card
from bench.cost.peaks import (
    FP32_LANES,
    TENSOR_FMA,
    card,
    fastest_flops,
    normalised,
    peak_flops,
    published,
)

HALVED = ("RTX 2080 Ti", "RTX 3090", "RTX 4090", "RTX 5090", "NVIDIA A10G")
"""Chips whose tensor cores run at half rate when they accumulate in float32."""


def from_chip(row: Card) -> tuple[float, float]:
    """(fp32, fp16) TFLOP/s = SMs x multiply-adds per clock x 2 x clock."""
    chip = row.chip
    fp32 = chip.sms * FP32_LANES[chip.capability] * 2 * chip.boost_ghz / 1e3
    if chip.capability not in TENSOR_FMA:
        return fp32, 2 * fp32
    fp16 = chip.sms * TENSOR_FMA[chip.capability] * 2 * (chip.tensor_ghz or chip.boost_ghz) / 1e3
    return fp32, fp16 / 2 if row.names[0].endswith(HALVED) else fp16


@pytest.mark.parametrize("row", CARDS, ids=lambda row: row.names[0])
def test_published_figures_follow_from_the_chip(row: Card) -> None:
    fp32, fp16 = from_chip(row)
    assert row.fp32 == pytest.approx(fp32, rel=0.07 if "fp32 as published" in row.note else 0.02)
    assert row.fp16 == pytest.approx(fp16, rel=0.02)
    if row.tf32 is not None:
        assert row.tf32 == pytest.approx(fp16 / 2, rel=0.03)
    assert row.source


def test_a_sparse_figure_would_be_seen() -> None:
    """The negative control: H200 is often entered with 1979 TFLOP/s, its rate for sparse matrices."""
    assert from_chip(card("NVIDIA H200"))[1] != pytest.approx(1979, rel=0.02)


@pytest.mark.parametrize("row", CARDS, ids=lambda row: row.names[0])
def test_fastest_is_never_below_another_mode(row: Card) -> None:
    found = published(row)
    assert found.fastest >= max(f for f in (found.fp32, found.tf32, found.fp16, found.bf16) if f is not None)


@pytest.mark.parametrize(
    ("name", "fp32"),
    [
        ("Tesla T4", 8.1e12),
        ("NVIDIA T4", 8.1e12),
        ("nvidia  tesla t4", 8.1e12),
        ("A100-SXM4-40GB", 19.5e12),
        ("NVIDIA A10", 31.2e12),
        ("NVIDIA A10G", 35.0e12),
        ("NVIDIA L4", 30.3e12),
        ("NVIDIA L40S", 91.6e12),
        ("NVIDIA H100 PCIe", 51.0e12),
        ("NVIDIA H100 80GB HBM3", 67.0e12),
        ("NVIDIA H200", 67.0e12),
        ("GeForce RTX 2080 Ti", 14.2e12),
    ],
)
def test_known_names(name: str, fp32: float) -> None:
    assert peak_flops(name, "fp32") == fp32


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA L40",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GH200 480GB",
        "NVIDIA GB300",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA A100",
        "Tesla V100S-PCIE-32GB",
        "AMD Instinct MI300X",
        "NVIDIA",
        "",
    ],
)
def test_names_that_contain_or_resemble_a_known_one_have_no_peak(name: str) -> None:
    assert card(name) is None
    assert peak_flops(name, "fp32") is None
    assert fastest_flops(name) is None


def test_modes_that_a_card_lacks_have_no_peak() -> None:
    assert peak_flops("Tesla T4", "tf32") is None
    assert peak_flops("Tesla T4", "bf16") is None
    assert peak_flops("NVIDIA L4", "bf16") == peak_flops("NVIDIA L4", "fp16") == 121e12
    assert fastest_flops("NVIDIA GeForce RTX 3090") == 142e12


def test_normalised_names_are_unique() -> None:
    names = [(normalised(name), row.chip.sms) for row in CARDS for name in row.names]
    assert len(names) == len(set(names))
