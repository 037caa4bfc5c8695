"""The timer on a virtual device whose true time is known, and the faults it has to be told from."""

from __future__ import annotations

import gc
import statistics
import time

import pytest
import torch
from torch import Tensor, nn

from bench.cost.clock import CpuClock, clock_for
from bench.cost.conditions import evaluating, strict_fp32
from bench.cost.latency import MAX_SAMPLES, MIN_SAMPLES, measure_latency
from bench.cost.peaks import fastest_flops
from bench.cost.plausibility import scattered
from bench.cost.statistics import std

from .fake_cuda import FakeClock, FakeCuda, FakeNet, NeverWaits, WaitsOnlyBefore

IMAGE = torch.zeros(1, 3, 4, 4)
T4 = fastest_flops("Tesla T4")
DEEPLAB_MACS = 184_519_925_760


def deeplab_on_a_t4(clock: type[FakeClock] = FakeClock, **options: float) -> tuple[FakeNet, FakeClock]:
    """349 launches and 60 ms of device time per image: near the card's fp32 peak, yet quickly enqueued (2.4 ms)."""
    device = FakeCuda()
    return FakeNet(device, kernels=349, kernel_s=0.060 / 349, **options), clock(device)


# ------------------------------------------------------------------ CUDA


def test_the_timer_reads_the_device_time_within_the_launch_overhead() -> None:
    net, clock = deeplab_on_a_t4()
    found = measure_latency(net, IMAGE, clock=clock, budget_s=2.0, macs=DEEPLAB_MACS, peak_flops=T4)
    assert found.refused is None
    overhead_ms = 1e3 * (clock.device.launch_s * net.kernels + 2 * clock.device.sync_s)
    for reading in found.measurement.values:
        assert 1e3 * net.device_s <= reading <= 1e3 * net.device_s + overhead_ms
    assert found.protocol["plausibility"] == "checked"


def test_a_launch_bound_net_is_read_as_long_as_its_launches() -> None:
    device = FakeCuda()
    net = FakeNet(device, kernels=282, kernel_s=1e-6)
    found = measure_latency(net, IMAGE, clock=FakeClock(device), budget_s=1.0)
    assert statistics.median(found.measurement.values) == pytest.approx(1e3 * 282 * device.launch_s, rel=0.02)


def test_a_timer_that_does_not_wait_for_the_end_is_refused() -> None:
    net, clock = deeplab_on_a_t4(WaitsOnlyBefore)
    blind = measure_latency(net, IMAGE, clock=clock, budget_s=2.0)
    assert statistics.median(blind.measurement.values) < 0.05 * 1e3 * net.device_s  # what it would have published
    found = measure_latency(net, IMAGE, clock=clock, budget_s=2.0, macs=DEEPLAB_MACS, peak_flops=T4)
    assert found.measurement is None
    assert found.refused.startswith("impossible: ")
    assert "the timer did not wait" in found.refused


def test_a_timer_that_never_waits_is_held_up_by_the_full_queue_or_refused() -> None:
    """In a tight loop the queue fills and readings come out nearly right; before that they are absurd."""
    net, clock = deeplab_on_a_t4(NeverWaits)
    tight = measure_latency(net, IMAGE, clock=clock, budget_s=2.0, macs=DEEPLAB_MACS, peak_flops=T4)
    assert tight.refused is None
    assert statistics.median(tight.measurement.values) == pytest.approx(1e3 * net.device_s, rel=0.02)

    roomy = FakeCuda(queue=10**6)
    net = FakeNet(roomy, kernels=349, kernel_s=0.060 / 349)
    found = measure_latency(net, IMAGE, clock=NeverWaits(roomy), budget_s=0.2, macs=DEEPLAB_MACS, peak_flops=T4)
    assert found.measurement is None
    assert "impossible" in found.refused


def test_the_first_call_is_a_warm_up_and_leaks_into_no_reading() -> None:
    net, clock = deeplab_on_a_t4(first_call_s=3.0)
    naive = []
    for _ in range(20):  # the fault: the first batch is one of the readings
        start = clock.now_s()
        net(IMAGE)
        clock.synchronise()
        naive.append(clock.now_s() - start)
    assert scattered(statistics.fmean(naive), std(naive)) is not None

    net, clock = deeplab_on_a_t4(first_call_s=3.0)
    found = measure_latency(net, IMAGE, clock=clock)
    assert found.measurement.warmups[0] > 3000
    assert max(found.measurement.values) < 70


def test_a_batch_divided_by_its_size_is_no_latency() -> None:
    """The fault: 61 images in batches of 6, every batch's time divided by 6, the last one (1 image) too."""
    net, clock = deeplab_on_a_t4()
    naive = []
    for images in [6] * 10 + [1]:
        start = clock.now_s()
        net(torch.zeros(images, 3, 4, 4))
        clock.synchronise()
        naive.append((clock.now_s() - start) / 6)
    assert statistics.fmean(naive) < 0.95 * net.device_s
    with pytest.raises(ValueError, match="a batch of 1, not 6"):
        measure_latency(net, torch.zeros(6, 3, 4, 4), clock=clock)


def test_scattered_readings_are_refused() -> None:
    class Wild(FakeNet):
        calls = 0

        def forward(self, images: Tensor) -> Tensor:
            self.calls += 1
            self.device.launch(0.2 if self.calls % 5 == 0 else 0.01)
            return images

    device = FakeCuda()
    found = measure_latency(Wild(device, kernels=0, kernel_s=0), IMAGE, clock=FakeClock(device))
    assert found.measurement is None
    assert found.refused.startswith("invalid: ")


def test_blocking_launches_are_refused_on_a_queued_device_only(monkeypatch: pytest.MonkeyPatch) -> None:
    net, clock = deeplab_on_a_t4()
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "1")
    assert "CUDA_LAUNCH_BLOCKING" in measure_latency(net, IMAGE, clock=clock).refused
    assert clock.now_s() == 0  # nothing was run
    assert measure_latency(nn.Identity(), IMAGE, clock=VirtualCpu(0.1), budget_s=1).refused is None
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "0")
    assert measure_latency(net, IMAGE, clock=clock, budget_s=2.0).refused is None


# ------------------------------------------------------------------ budget and flags


class VirtualCpu:
    """A host on which every second reading of the clock comes `forward_s` later; `share` of it is this process's."""

    queued = False

    def __init__(self, forward_s: float, share: float = 1.0) -> None:
        self.forward_s, self.share, self.wall, self.waits = forward_s, share, 0.0, 0

    def now_s(self) -> float:
        return self.wall

    def cpu_s(self) -> float:
        return self.wall * self.share

    def synchronise(self) -> None:
        self.waits += 1
        if self.waits % 2 == 0:  # the call after the forward
            self.wall += self.forward_s


@pytest.mark.parametrize(("forward_s", "n"), [(0.001, MAX_SAMPLES), (0.5, 24), (3.0, 4), (10.0, MIN_SAMPLES)], ids=str)
def test_the_budget_holds_as_many_readings_as_fit(forward_s: float, n: int) -> None:
    clock = VirtualCpu(forward_s)
    found = measure_latency(nn.Identity(), IMAGE, clock=clock, budget_s=15.0)
    assert abs(len(found.measurement.values) - n) <= (2 if n not in (MAX_SAMPLES, MIN_SAMPLES) else 0)
    assert clock.now_s() <= max(15.0 + forward_s, (MIN_SAMPLES + 1) * forward_s)
    few = tuple(flag for flag in found.flags if flag.startswith("few samples"))
    assert few == (() if n >= 20 else (f"few samples (n={len(found.measurement.values)})",))
    assert len(found.measurement.warmups) <= 20 <= MAX_SAMPLES
    assert found.protocol["warmups"] >= len(found.measurement.warmups) >= 1


def test_a_processor_that_others_use_is_flagged() -> None:
    alone = measure_latency(nn.Identity(), IMAGE, clock=VirtualCpu(0.1, share=0.99))
    crowded = measure_latency(nn.Identity(), IMAGE, clock=VirtualCpu(0.1, share=0.6))
    assert alone.flags == ()
    assert crowded.flags == ("contended (CPU time / wall 0.60 over 1 thread)",)
    assert crowded.refused is None


def test_unsteady_readings_are_flagged_and_published() -> None:
    class Restless(VirtualCpu):
        def synchronise(self) -> None:
            self.forward_s = 0.13 if self.waits % 8 < 4 else 0.1
            super().synchronise()

    found = measure_latency(nn.Identity(), IMAGE, clock=Restless(0.1))
    assert found.flags == ("unsteady (std is 13% of the mean)",)
    assert found.measurement is not None


def test_without_a_peak_the_protocol_says_that_nothing_was_checked() -> None:
    found = measure_latency(nn.Identity(), IMAGE, clock=VirtualCpu(0.1), macs=10**15)
    assert found.protocol["plausibility"].startswith("not checked")


# ------------------------------------------------------------------ conditions


class Witness(nn.Module):
    """Notes the conditions of each call; `fail` makes it raise."""

    def __init__(self, fail: bool = False) -> None:
        super().__init__()
        self.norm, self.fail, self.seen = nn.BatchNorm2d(3), fail, set()
        self.branch = nn.Sequential(self.norm)  # the same norm again, under a parent that comes after it

    def forward(self, images: Tensor) -> Tensor:
        self.seen.add((self.training, gc.isenabled(), torch.is_inference_mode_enabled(), torch.get_num_threads()))
        if self.fail:
            raise RuntimeError("out of memory")
        return self.norm(images)


@pytest.mark.parametrize("fail", [False, True])
def test_conditions_hold_inside_and_are_put_back_also_after_an_error(fail: bool) -> None:
    module, threads = Witness(fail).train(), torch.get_num_threads()
    module.norm.eval()  # frozen by its owner
    torch.set_num_threads(2)
    try:
        if fail:
            with pytest.raises(RuntimeError, match="out of memory"):
                measure_latency(module, IMAGE, clock=CpuClock(), budget_s=0.01)
        else:
            measure_latency(module, IMAGE, clock=CpuClock(), budget_s=0.01)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert module.seen == {(False, False, True, 1)}
    assert gc.isenabled()
    assert not torch.is_inference_mode_enabled()
    assert (module.training, module.norm.training) == (True, False)


def test_a_blunt_restore_would_thaw_a_frozen_norm() -> None:
    """The negative control of the test above."""
    module = Witness().train()
    module.norm.eval()
    with evaluating(module):
        pass
    assert module.norm.training is False
    module.eval()
    module.train()  # what `model.eval(); ...; model.train()` does
    assert module.norm.training is True


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        measure_latency(nn.Identity(), IMAGE, clock=VirtualCpu(0.1), budget_s=1)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_strict_fp32_turns_tf32_off_and_puts_it_back() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul

    def state() -> tuple[object, ...]:
        return cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark, cudnn.benchmark_limit

    def fail_inside() -> None:
        with strict_fp32():
            assert state() == ("ieee", "ieee", True, 0)
            raise RuntimeError("inside")

    before = state()
    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert state() == before


def test_the_cpu_clock_runs_and_needs_no_waiting() -> None:
    clock = clock_for(torch.device("cpu"))
    first = clock.now_s(), clock.cpu_s()
    while time.process_time() <= first[1]:
        pass
    clock.synchronise()
    assert clock.now_s() > first[0]
    assert clock.cpu_s() > first[1]
    assert not clock.queued
    assert clock_for(torch.device("cuda", 0)).queued
