"""Rows that were published and cannot be true are refused; true ones are not."""

from __future__ import annotations

import pytest

from bench.cost.peaks import fastest_flops, peak_flops
from bench.cost.plausibility import impossible, scattered

T4 = fastest_flops("Tesla T4")
DEEPLAB, PIDNET = 184_519_925_760, 6_274_318_336


def test_the_published_deeplab_row_on_a_t4_is_impossible() -> None:
    reason = impossible(DEEPLAB, 4.032e-3, T4)
    assert reason == (
        "impossible: 4.032 ms for 184.5 GMAC is 91.5 TFLOP/s, 141 % of the card's peak; "
        "the timer did not wait for the device"
    )
    assert impossible(DEEPLAB, 45.6e-3, T4) is None


def test_the_published_pidnet_row_passes_the_roofline_and_fails_by_its_scatter() -> None:
    assert impossible(PIDNET, 5.090e-3, T4) is None
    assert "62 %" in scattered(5.090, 3.142)
    assert scattered(4.032, 3.590) is not None


@pytest.mark.parametrize("fps", [93.2])
def test_the_pidnet_papers_own_speed_is_possible(fps: float) -> None:
    """PIDNet-S without auxiliary heads, 1024 x 2048, RTX 3090: a quarter of its float32 peak."""
    assert impossible(47_194_226_688, 1 / fps, peak_flops("NVIDIA GeForce RTX 3090", "fp32")) is None


def test_limits_are_where_they_are_said_to_be() -> None:
    at_peak_s = 2 * DEEPLAB / T4
    assert impossible(DEEPLAB, at_peak_s / 1.149, T4) is None
    assert impossible(DEEPLAB, at_peak_s / 1.151, T4) is not None
    assert impossible(DEEPLAB, 0.0, T4) == "no time passed"
    assert scattered(10.0, 5.0) is None
    assert scattered(10.0, 5.01) is not None
    assert scattered(10.0, None) is None
