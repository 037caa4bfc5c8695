"""The times of one call, and the canaries, on a virtual device."""

from __future__ import annotations

import pytest
import torch

from bench.cost import canary
from bench.cost.canary import check_timer
from bench.cost.timing import MAX_BLOCK, Ahead, cycles_per_s, read
from bench.spec import BenchError, ExitCode

from .fake_cuda import MEGAHERTZ, FakeCuda, FakeHost, FakeNet

IMAGE = torch.zeros(1, 3, 4, 4)
RATE = 1e6 * MEGAHERTZ


def net_on(device: FakeCuda, kernels: int, kernel_s: float) -> FakeNet:
    return FakeNet(device, kernels=kernels, kernel_s=kernel_s)


def alone(device: FakeCuda, net: FakeNet, ahead: Ahead, count: int = 20) -> list[float]:
    return ahead.read(device, lambda number: None, lambda: net(IMAGE), first=0, count=count)


def test_the_times_of_one_call() -> None:
    device = FakeCuda()
    net = net_on(device, 10, 1e-3)
    net(IMAGE)  # still running when the reading begins: not part of it
    found = read(device, lambda: net(IMAGE))
    assert found.e2e_ms == pytest.approx(10 + 1e3 * (device.launch_s + device.sync_s))
    assert found.enqueue_ms == pytest.approx(1e3 * 10 * device.launch_s)


def test_device_time_holds_no_launch_gaps() -> None:
    """100 kernels of 1 us, launched every 7 us: end to end 0.7 ms, on the device 0.1 ms."""
    device, ahead = FakeCuda(), Ahead(RATE)
    net = net_on(device, 100, 1e-6)
    times = alone(device, net, ahead)
    assert len(times) == 20
    assert times == pytest.approx([0.1] * 20, rel=0.02)
    assert ahead.behind == 0
    assert read(device, lambda: net(IMAGE)).e2e_ms > 6 * times[0]


def test_without_a_head_start_the_gaps_are_in_it() -> None:
    """The negative control: marks around a call whose queue is empty."""
    device = FakeCuda()
    net = net_on(device, 100, 1e-6)
    device.synchronise()
    before = device.mark()
    net(IMAGE)
    after = device.mark()
    device.synchronise()
    assert after.ms_since(before) > 0.6


@pytest.mark.parametrize(("kernels", "block"), [(50, MAX_BLOCK), (300, 2), (900, 1)])
def test_as_many_calls_are_queued_as_the_drivers_queue_holds(kernels: int, block: int) -> None:
    device, ahead = FakeCuda(queue=1024), Ahead(RATE)
    times = alone(device, net_on(device, kernels, 1e-6), ahead)
    assert ahead.block == block
    assert ahead.behind == 0
    assert times == pytest.approx([1e-3 * kernels] * 20, rel=0.02)
    assert ahead.hold_s < 0.05, "the wait shrinks again once the queue was the reason"


def test_what_cannot_be_kept_ahead_is_counted() -> None:
    device, ahead = FakeCuda(queue=16), Ahead(RATE)
    alone(device, net_on(device, 100, 1e-6), ahead, count=5)
    assert ahead.behind == 5


def test_the_devices_clock_is_measured_after_it_has_woken_up() -> None:
    device = FakeCuda(clock=lambda seconds: 0.2 if seconds < 0.1 else 1.0)
    assert cycles_per_s(device) == pytest.approx(RATE, rel=0.01)


# ------------------------------------------------------------------ canaries


def test_a_good_timer_passes_and_its_readings_are_kept() -> None:
    device = FakeCuda()
    found = check_timer(device, {"gpu": {"name": "Tesla T4"}})
    assert found["sleep"]["e2e_ms"] == pytest.approx(5.0, rel=0.01)
    assert found["sleep"]["device_ms"] == pytest.approx(5.0, rel=0.01)
    assert found["nothing"]["e2e_ms"] < 0.1
    assert found["product"]["n"] == 8192
    assert found["product"]["share_of_peak"] == pytest.approx(0.85, rel=0.01)
    assert found["product"]["checked"]
    assert found["float32"] == {"exact": True}


def test_an_unknown_card_is_not_checked_against_a_peak() -> None:
    found = check_timer(FakeCuda(), {"gpu": {"name": "a card of tomorrow"}})
    assert (found["product"]["share_of_peak"], found["product"]["checked"]) == (None, False)
    assert found["product"]["tflops"] > 1


@pytest.mark.parametrize(("memory_bytes", "n"), [(16 * 2**30, 8192), (2**30, 4096), (10**6, 1024)])
def test_the_product_fits_into_the_memory(memory_bytes: int, n: int) -> None:
    assert check_timer(FakeCuda(memory_bytes=memory_bytes), {})["product"]["n"] == n


@pytest.mark.parametrize(("slowdown", "passes"), [(0.0, True), (0.5, True), (0.55, False), (-0.2, True), (-0.3, False)])
def test_the_product_has_to_reach_40_to_105_percent_of_the_peak(slowdown: float, passes: bool) -> None:
    device = FakeCuda(slowdown=slowdown)
    device.spin = lambda cycles: device.launch(cycles / RATE * (1 - slowdown))  # type: ignore[method-assign]
    facts = {"gpu": {"name": "Tesla T4"}}
    if passes:
        assert check_timer(device, facts)["product"]["checked"]
        return
    with pytest.raises(BenchError, match="% of the card's peak") as error:
        check_timer(device, facts)
    assert error.value.code == ExitCode.ENVIRONMENT


def test_one_preempted_try_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCuda()
    right, calls = canary.cycles_per_s, list[float]()

    def disturbed(asked: FakeCuda) -> float:
        calls.append(right(asked))  # type: ignore[arg-type]
        return calls[-1] * (0.5 if len(calls) == 1 else 1.0)

    monkeypatch.setattr(canary, "cycles_per_s", disturbed)
    assert check_timer(device, {})["sleep"]["e2e_ms"] == pytest.approx(5.0, rel=0.01)  # type: ignore[arg-type]
    assert len(calls) == 2


def test_a_host_is_checked_without_a_queue() -> None:
    found = check_timer(FakeHost(), {"gpu": None})  # type: ignore[arg-type]
    assert found["sleep"] == {"wanted_ms": 5.0, "e2e_ms": pytest.approx(5.0)}
    assert found["product"]["n"] == 1024

    class Short(FakeHost):
        def wait(self, seconds: float) -> None:
            super().wait(seconds / 2)

    with pytest.raises(BenchError, match="50 % of a device sleep"):
        check_timer(Short(), {})  # type: ignore[arg-type]
