"""The stop rule asks for enough, for steadiness and for a known median, says which is missing, and gives up in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS, Limits, look

LIMITS = Limits(min_samples=100, min_kept_s=1.0, drift=0.005, half_width=0.01, cap_s=60.0, max_samples=5000)


def series(n: int, *, noise: float = 0.02, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(20.0, 20.0 * noise, n)


def test_limits_are_those_of_the_protocol() -> None:
    assert (GPU_LIMITS.min_samples, GPU_LIMITS.min_kept_s, GPU_LIMITS.drift, GPU_LIMITS.half_width) == (
        100,
        10.0,
        0.005,
        0.01,
    )
    assert (CPU_LIMITS.min_samples, CPU_LIMITS.drift, CPU_LIMITS.half_width, CPU_LIMITS.cap_s) == (10, 0.02, 0.03, 40.0)


def test_steady_readings_converge() -> None:
    stop = look(series(300, noise=0.005), LIMITS, elapsed_s=6.0)
    assert (stop.done, stop.converged, stop.reason) == (True, True, "")


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        (series(60, noise=0.001), "few samples"),
        (series(300, noise=0.001) / 100, "few samples"),  # 60 ms in all
        (np.r_[np.linspace(40, 20, 150), series(150, noise=0.001)], "warm-up"),
        (np.r_[series(150, noise=0.001), 1.02 * series(150, noise=0.001)], "warm-up"),  # settled only now
        (series(300, noise=0.01) * np.linspace(1, 1.03, 300), "drift"),
        (np.where(np.arange(300) % 2, 20.0, 25.0), "ci"),
        ([], "few samples"),
        ([0.0] * 300, "few samples"),
    ],
)
def test_what_is_missing_is_said(readings: np.ndarray, reason: str) -> None:
    stop = look(readings, LIMITS, elapsed_s=5.0)
    assert not stop.done
    assert not stop.converged
    assert reason in stop.reason.split(", ")


def test_several_faults_are_all_named() -> None:
    rising = np.linspace(10, 30, 80)
    assert {"few samples", "drift", "ci"} <= set(look(rising, LIMITS, elapsed_s=2.0).reason.split(", "))


@pytest.mark.parametrize(("n", "elapsed_s"), [(50, 60.0), (5000, 1.0)])
def test_it_gives_up_at_its_cap_and_says_so(n: int, elapsed_s: float) -> None:
    stop = look(np.linspace(10, 30, n), LIMITS, elapsed_s=elapsed_s)
    assert stop.done
    assert not stop.converged
    assert stop.reason


def test_the_warm_up_is_left_out_of_the_judgement() -> None:
    warm = np.r_[np.linspace(200, 20, 50), series(250, noise=0.001)]
    stop = look(warm, LIMITS, elapsed_s=9.0)
    assert stop.converged
    assert 40 <= stop.warm_cut <= 60
    blind = look(np.sort(warm)[::-1], LIMITS, elapsed_s=9.0)  # the control: the same readings, never settling
    assert not blind.converged


def test_ten_slow_readings_are_enough_on_a_cpu() -> None:
    readings = 1000 * series(10, noise=0.001) / 20
    assert look(readings, CPU_LIMITS, elapsed_s=11.0).converged
    assert not look(readings[:9], CPU_LIMITS, elapsed_s=11.0).converged
    assert not look(readings, replace(CPU_LIMITS, min_samples=11), elapsed_s=11.0).converged


@pytest.mark.parametrize("edge", [0.999, 1.001])
def test_the_drift_gate_is_where_it_says(edge: float) -> None:
    pattern = series(100, noise=0.02)
    readings = np.r_[pattern, (1 + 0.005 * edge) * pattern]
    assert ("drift" in look(readings, LIMITS, elapsed_s=5.0).reason) is (edge > 1)
