"""Joules per image on a virtual card that draws 30 W idle and 70 W busy."""

from __future__ import annotations

import pytest

from bench.cost import energy

from .fake_cuda import FakeCuda, FakeHost, FakeNet, FakeWatch
from .sessions import deeplab, quick_collections, session, workload  # noqa: F401

GROSS, NET = 70.0 * 0.060, 40.0 * 0.060
"""Joules of one image that keeps the card busy for 60 ms."""


def measured(watch: FakeWatch | None = None, device: FakeCuda | None = None, **options: object) -> dict[str, object]:
    device = device or FakeCuda()
    found = session(device, watch=watch or FakeWatch(device), energy=True, **options)  # type: ignore[arg-type]
    spent = found.timings[0].energy
    assert spent is not None
    return spent


def test_the_counter_gives_gross_and_net_of_idle() -> None:
    found = measured()
    assert found["source"] == "counter"
    assert found["gross_j"] == pytest.approx(GROSS, rel=0.01)
    assert found["net_j"] == pytest.approx(NET, rel=0.01)
    assert found["idle_before_w"] == pytest.approx(30, rel=0.01)
    assert found["window_s"] >= 10
    assert found["calls"] >= 200
    assert "flag" not in found


def test_without_a_counter_power_is_polled() -> None:
    device = FakeCuda()
    found = measured(FakeWatch(device, counter=False), device)
    assert found["source"] == "power"
    assert found["gross_j"] == pytest.approx(GROSS, rel=0.02)
    assert found["net_j"] == pytest.approx(NET, rel=0.04)


def test_a_card_that_tells_nothing_gives_no_figure_and_a_reason() -> None:
    device = FakeCuda()
    found = measured(FakeWatch(device, counter=False, power=False), device)
    assert (found["gross_j"], found["net_j"]) == (None, None)
    assert "neither" in str(found["reason"])
    before = session(FakeHost(), energy=True).timings[0].energy
    assert before is not None
    assert before["gross_j"] is None


def test_a_counter_that_stands_still_gives_no_figure() -> None:
    class Still(FakeWatch):
        def energy_mj(self) -> int:
            return 5

    device = FakeCuda()
    found = measured(Still(device), device)
    assert (found["gross_j"], found["reason"]) == (None, "the counter did not move")


def test_counter_and_power_that_disagree_are_flagged() -> None:
    class Off(FakeWatch):
        def power_w(self) -> float:
            return 100.0

    device = FakeCuda()
    assert "differ by 43 %" in str(measured(Off(device), device)["flag"])


def test_a_slow_model_ends_after_a_minute_with_few_calls() -> None:
    device = FakeCuda()
    found = measured(device=device, net=lambda asked: FakeNet(device, kernels=1, kernel_s=1.0))
    assert found["window_s"] == pytest.approx(energy.MOST_S, rel=0.05)
    assert str(found["flag"]).startswith("only ")


def test_energy_is_not_measured_unasked() -> None:
    device = FakeCuda()
    assert session(device).timings[0].energy is None
    assert device.host_s < 20


def test_the_energy_of_a_batch_is_per_image() -> None:
    device = FakeCuda()
    found = session(device, workload(batch=4), energy=True, net=lambda asked: deeplab(device)).timings[0].energy
    assert found is not None
    assert found["gross_j"] == pytest.approx(GROSS, rel=0.01)
