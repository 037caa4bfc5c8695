"""Every figure is recomputed from the chip, and no name is mistaken for another."""

from __future__ import annotations

import pytest

from bench.cost.cards import CARDS, Card
from bench.cost.peaks import FP32_LANES, TENSOR_FMA, card, computed, normalised, peak, published, winograd

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
        assert row.tf32 == pytest.approx(fp16 / 2, rel=0.03 if "tf32" in row.note else 0.02)
    assert row.source
    assert row.gb_s > 100


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
    assert published(card(name)).fp32 == peak(name, {}).fp32 == fp32


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
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "Tesla V100S-PCIE-32GB",
        "AMD Instinct MI300X",
        "NVIDIA",
        "",
    ],
)
def test_names_that_contain_or_resemble_a_known_one_have_no_peak(name: str) -> None:
    assert card(name) is None
    assert peak(name, {}) is None


def test_modes_that_a_card_lacks_have_no_peak() -> None:
    t4, l4 = peak("Tesla T4", {}), peak("NVIDIA L4", {})
    assert (t4.of("tf32"), t4.of("bf16"), t4.of("fp16")) == (None, None, 65e12)
    assert l4.of("bf16") == l4.of("fp16") == 121e12
    assert peak("NVIDIA GeForce RTX 3090", {}).fastest == 142e12


def test_bandwidth_and_cache() -> None:
    assert (peak("Tesla T4", {}).bytes_per_s, peak("Tesla T4", {}).l2_bytes) == (320e9, 4e6)
    assert peak("NVIDIA A100-SXM4-80GB", {}).bytes_per_s > peak("NVIDIA A100-SXM4-40GB", {}).bytes_per_s
    assert peak("NVIDIA B200", {}).l2_bytes is None


def test_normalised_names_with_their_chip_are_unique() -> None:
    names = [(normalised(name), row.chip.sms) for row in CARDS for name in row.names]
    assert len(names) == len(set(names))


# ------------------------------------------------------------------ unknown cards


def facts(row: Card) -> dict[str, object]:
    """What torch and NVML would say of a card."""
    major, minor = row.chip.capability
    return {
        "capability": f"{major}.{minor}",
        "sm_count": row.chip.sms,
        "max_sm_clock_mhz": 1e3 * max(row.chip.boost_ghz, row.chip.tensor_ghz or 0),
    }


@pytest.mark.parametrize("row", CARDS, ids=lambda row: row.names[0])
def test_an_unknown_card_is_computed_from_its_chip(row: Card) -> None:
    name = "GeForce" if "GeForce" in row.names[0] else "a new card"
    found = peak(name, facts(row))
    assert "computed" in found.source
    assert found.fp32 == pytest.approx(1e12 * row.fp32, rel=0.08 if row.note else 0.02)
    slower = "A10G" in row.names[0]  # the one card that is no GeForce and halves its rate
    assert found.fp16 == pytest.approx(1e12 * row.fp16 * (2 if slower else 1), rel=0.10)
    assert found.fastest >= 0.98 * published(row).fp16
    assert (found.bytes_per_s, found.bf16 is None) == (None, row.chip.capability < (8, 0))


def test_a_slice_of_a_card_is_not_the_card() -> None:
    whole = next(row for row in CARDS if row.names[0] == "NVIDIA A100-SXM4-40GB")
    sliced = peak("NVIDIA A100-SXM4-40GB MIG 1g.5gb", {**facts(whole), "sm_count": 14})
    assert sliced.fp32 == pytest.approx(19.5e12 * 14 / 108, rel=0.02)
    assert peak(whole.names[0], {**facts(whole), "sm_count": 14}).fp32 == sliced.fp32
    assert peak(whole.names[0], facts(whole)).source == whole.source


def test_two_boards_of_one_name_are_told_apart_by_their_size() -> None:
    assert peak("Orin", {}) is None
    assert peak("Orin", {"sm_count": 16}).fp32 == 5.3e12
    assert peak("Orin", {"sm_count": 8}).fp32 == 1.88e12


def test_geforce_of_turing_without_tensor_cores() -> None:
    found = computed("NVIDIA GeForce GTX 1660", {"capability": "7.5", "sm_count": 22, "max_sm_clock_mhz": 1785})
    assert found.fastest == found.fp16 == 2 * found.fp32


@pytest.mark.parametrize(
    "gpu",
    [
        {},
        {"capability": "13.0", "sm_count": 200, "max_sm_clock_mhz": 2000},
        {"capability": "8.6", "sm_count": None, "max_sm_clock_mhz": 2000},
        {"capability": "8.6", "sm_count": 40, "max_sm_clock_mhz": None},
        {"capability": None, "sm_count": 40, "max_sm_clock_mhz": 1000},
        {"capability": "x.y", "sm_count": 40, "max_sm_clock_mhz": 1000},
        {"capability": "8.6", "sm_count": -4, "max_sm_clock_mhz": 1000},
    ],
)
def test_what_cannot_be_computed_is_not_known(gpu: dict[str, object]) -> None:
    assert peak("a new card", gpu) is None


def test_winograd_spares_three_quarters_of_what_it_may_do() -> None:
    assert winograd(100, 0) == 100
    assert winograd(100, 100) == 25
    assert winograd(184_519_925_760, 4_332_367_872) == 181_270_649_856
