"""Timing faults, injected on purpose on a virtual device: each has to be named by what the session says.

`pytest tests/cost/test_faults.py -s` prints them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.cost import canary, findings, modes, rounds, stopping
from bench.cost import session as sessions
from bench.cost.clock import Device
from bench.cost.plausibility import Judgement
from bench.cost.statistics import describe
from bench.cost.timing import Call, Reading, read
from bench.spec import BenchError

from .fake_cuda import FakeCuda, FakeHost, FakeNet, FakeWatch
from .sessions import SHORT, deeplab, quick_collections, session, workload  # noqa: F401

Patch = pytest.MonkeyPatch


@dataclasses.dataclass(frozen=True)
class Fault:
    """`inject` runs a session with the fault in it; `says` is what has to be heard."""

    name: str
    inject: Callable[[Patch], Any]
    says: str


def heard(run: Callable[[], Any]) -> str:
    """All that a session says of its figures, or the error it ends with."""
    try:
        found = run()
    except BenchError as error:
        return str(error)
    words: list[str] = []
    for timing in found.timings:
        words += [timing.verdict, *timing.flags, timing.refused or "", timing.failed or ""]
        words += [f"not converged: {timing.not_converged}"] if not timing.converged else []
        words += ["warm-up cut"] if timing.warm_cut else []
    return " | ".join(word for word in words if word)


# ------------------------------------------------------------------ timers that are wrong


def without_waiting(device: Device, call: Call) -> Reading:
    """time.time() around the call, as many published scripts have it."""
    start = device.now_s()
    call()
    took = 1e3 * (device.now_s() - start)
    return Reading(took, took, took)


def waiting_before(device: Device, call: Call) -> Reading:
    """The queue is empty when the watch starts (the last step read a result); nobody waits for the end."""
    device.synchronise()
    return without_waiting(device, call)


def with_a_tracer(device: Device, call: Call) -> Reading:
    """A profiler's hook between the two looks at the clock."""

    def traced() -> None:
        call()
        device.wait(3e-4)

    return read(device, traced)


def divided(by: float) -> Callable[[Device, Call], Reading]:
    def timer(device: Device, call: Call) -> Reading:
        return Reading(*(time / by for time in read(device, call)))

    return timer


def backwards(device: Device, call: Call) -> Reading:
    """The clock is set back now and then, as a wall clock is."""
    found = read(device, call)
    return found._replace(e2e_ms=-1.0) if int(1e6 * device.now_s()) % 7 == 0 else found


def timer(patch: Patch, wrong: Callable[[Device, Call], Reading], *, canaries: bool = True) -> None:
    """Put a wrong timer in the place of the right one: everywhere, or only where the canaries do not see it."""
    patch.setattr(rounds, "read", wrong)
    if canaries:
        patch.setattr(canary, "read", wrong)


def timed_by(wrong: Callable[[Device, Call], Reading], *, canaries: bool = True, **options: Any) -> Callable[..., Any]:
    def inject(patch: Patch) -> Any:
        timer(patch, wrong, canaries=canaries)
        return session(**options)

    return inject


def batch_divided(patch: Patch) -> Any:
    timer(patch, divided(4), canaries=False)
    return session(FakeCuda(), workload(batch=4))


def block_means(patch: Patch) -> Any:
    """The spread between means of ten readings is a third of that between readings."""

    def means(track: Any, *, queued: bool) -> Any:
        values = np.asarray(track.e2e_ms()[track.stop.warm_cut :])
        return {"e2e": describe(values[: len(values) // 10 * 10].reshape(-1, 10).mean(axis=1))}

    patch.setattr(sessions, "describe_track", means)
    return session(FakeCuda(noise=0.02))


def last_batch_smaller(patch: Patch) -> Any:
    right = modes.inputs

    def inputs(*args: Any, **options: Any) -> list[Tensor]:
        return [*right(*args, **options), torch.zeros(1, 3, 4, 4)]

    patch.setattr(modes, "inputs", inputs)
    return session(FakeCuda(), workload(batch=4))


def half_the_batch(patch: Patch) -> Any:
    """A model that looks at half of what it is given."""

    class Half(FakeNet):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images[: len(images) // 2])

    device = FakeCuda()
    return session(device, workload(batch=4), net=lambda asked: Half(device, kernels=20, kernel_s=0.003))


# ------------------------------------------------------------------ devices that play tricks


def warm_up_leaks(patch: Patch) -> Any:
    """Nobody warms up, and the first 60 calls take three times as long."""
    patch.setattr(rounds, "WARM_CALLS", 0)
    patch.setattr(rounds, "WARM_S", 0.0)
    device = FakeCuda(noise=0.003)
    return session(
        device, net=lambda asked: deeplab(device, cold_calls=60), limits=dataclasses.replace(SHORT, cap_s=40)
    )


def throttles(patch: Patch) -> Any:
    """From the fifth second on the card is too hot, and stays so."""
    device = FakeCuda(clock=lambda seconds: 1.0 if seconds < 5 else 0.7)
    return session(device, watch=FakeWatch(device, throttle_bits=lambda: 0x40 if device.host_s > 5 else 0))


def clock_steps(patch: Patch) -> Any:
    device = FakeCuda(clock=lambda seconds: 1.0 if seconds < 7 else 0.9)
    return session(device, limits=dataclasses.replace(SHORT, min_kept_s=6.0))


def clock_is_low(patch: Patch) -> Any:
    return session(FakeCuda(clock=lambda seconds: 0.6, card="unknown to us"), macs=None)


def power_capped(patch: Patch) -> Any:
    device = FakeCuda()
    return session(device, watch=FakeWatch(device, throttle_bits=lambda: 0x4))


def tf32_forced(patch: Patch) -> Any:
    """NVIDIA_TF32_OVERRIDE=1: the driver computes in TF32 whatever torch says."""
    return session(ampere())


def tf32_unseen(patch: Patch) -> Any:
    """The same where the canary's small product is not done by tensor cores; 5 ms where fp32 needs 19."""
    device = ampere()
    device.admits_tf32 = False
    return session(device, net=lambda asked: FakeNet(device, kernels=20, kernel_s=0.001, tf32=4.0))


def ampere() -> FakeCuda:
    device = FakeCuda(card="NVIDIA A100-SXM4-40GB", capability=(8, 0))
    device.tf32_stuck = True
    device.product = lambda n: lambda: device.launch(0.066)  # it must not be this one that gives it away
    return device


def cache_is_hot(patch: Patch) -> Any:
    """Too little memory is free for inputs that would not fit into the cache."""
    device = FakeCuda(cache_bytes=4 * 2**20, memory_bytes=20_000)
    patch.setattr(canary, "_matrix", lambda device: 8192)
    return session(device, net=lambda asked: deeplab(device, hot=0.8))


def outlier(patch: Patch) -> Any:
    device = FakeCuda()
    return session(device, net=lambda asked: deeplab(device, hiccup=lambda call: 0.3 if call == 100 else 0.0))


def launches_decide(patch: Patch) -> Any:
    device = FakeCuda()
    return session(device, net=lambda asked: FakeNet(device, kernels=300, kernel_s=1e-6), macs=10**9)


def launches_block(patch: Patch) -> Any:
    patch.setenv("CUDA_LAUNCH_BLOCKING", "1")
    return session()


def queue_is_short(patch: Patch) -> Any:
    """More kernels per call than the driver's queue holds, each shorter than its launch: gaps cannot be avoided."""
    device = FakeCuda(queue=16)
    return session(device, net=lambda asked: FakeNet(device, kernels=100, kernel_s=4e-6), macs=10**8)


def graph_is_empty(patch: Patch) -> Any:
    """The work ran on a stream that was not captured: the replay does nothing."""
    device = FakeCuda()
    right = device.capture

    def capture(call: Callable[[], Any]) -> Callable[[], Any]:
        right(call)
        return lambda: None

    patch.setattr(device, "capture", capture)
    return session(device, workload(mode="graph"))


def host_clock_is_fast(patch: Patch) -> Any:
    class Fast(FakeCuda):
        def now_s(self) -> float:
            return 1.3 * self.host_s

    return session(Fast())


def card_is_shared(patch: Patch) -> Any:
    return session(FakeCuda(slowdown=0.7))


def others_are_there(patch: Patch) -> Any:
    device = FakeCuda()
    return session(device, watch=FakeWatch(device, processes=lambda: 3))


def memory_ends(patch: Patch) -> Any:
    device = FakeCuda()
    both = (workload(batch=1), workload(batch=16))
    return session(device, *both, net=lambda asked: deeplab(device, activations=2 * 2**30))


def breaks_in_the_middle(patch: Patch) -> Any:
    device = FakeCuda()

    def break_off(call: int) -> float:
        if call > 50:
            raise RuntimeError("an illegal memory access was encountered\nCUDA kernel errors might be ...")
        return 0.0

    return session(device, net=lambda asked: deeplab(device, hiccup=break_off))


def others_compute(patch: Patch) -> Any:
    return session(FakeHost(share=0.6))


def scattered(patch: Patch) -> Any:
    device = FakeCuda()
    return session(device, net=lambda asked: deeplab(device, hiccup=lambda call: 0.4 if call % 5 == 0 else 0.0))


FAULTS = (
    Fault("no synchronisation", timed_by(without_waiting), "nothing is timed: the timer reads"),
    Fault("synchronised only before", timed_by(waiting_before), "nothing is timed: the timer reads"),
    Fault("stops waiting after the canaries", timed_by(waiting_before, canaries=False), "impossible"),
    Fault("... on an unknown card", timed_by(waiting_before, canaries=False, macs=None), "no wait for the device"),
    Fault("a tracer inside the timer", timed_by(with_a_tracer), "where nothing is done"),
    Fault("the host's clock runs fast", host_clock_is_fast, "nothing is timed: the timer reads 130 %"),
    Fault("the clock runs backwards", timed_by(backwards, canaries=False), "a reading is negative"),
    Fault("time divided by the batch", batch_divided, "readings cover 25 % of their time"),
    Fault("time multiplied", timed_by(divided(1 / 3), canaries=False), "add up to"),
    Fault("spread of block means", block_means, "not those of the"),
    Fault("a smaller last batch", last_batch_smaller, "a smaller last batch"),
    Fault("half of the batch is computed", half_the_batch, "for a batch of 4"),
    Fault("the warm-up leaks into the series", warm_up_leaks, "warm-up cut"),
    Fault("every fifth call is slow", scattered, "invalid: the readings scatter"),
    Fault("thermal throttling", throttles, "throttled"),
    Fault("the clock steps down", clock_steps, "clock drift 1"),
    Fault("the clock is low throughout", clock_is_low, "clock at 60 % of its maximum"),
    Fault("a power cap", power_capped, "power-capped"),
    Fault("TF32 forced by the driver", tf32_forced, "float32 products lose bits"),
    Fault("TF32 silently on in the network", tf32_unseen, "not fp32"),
    Fault("inputs stay in the cache", cache_is_hot, "inputs fit into the cache"),
    Fault("an outlier", outlier, "x mean"),
    Fault("launches decide", launches_decide, "launch-bound"),
    Fault("launches block", launches_block, "CUDA_LAUNCH_BLOCKING"),
    Fault("the queue cannot be kept ahead", queue_is_short, "device time holds launch gaps"),
    Fault("an empty graph", graph_is_empty, "impossible"),
    Fault("another program computes on the card", card_is_shared, "of the card's peak"),
    Fault("another process is on the card", others_are_there, "other processes on the device"),
    Fault("out of memory at a batch", memory_ends, "out of memory at batch 16"),
    Fault("breaks off in the middle", breaks_in_the_middle, "illegal memory access"),
    Fault("others have the processor", others_compute, "contended"),
)


def missed(
    patch: Patch, faults: tuple[Fault, ...] = FAULTS, *, tell: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Names of the faults that the session does not name; one line about each."""
    unheard = []
    for fault in faults:
        with patch.context() as inner:
            said = heard(lambda fault=fault, inner=inner: fault.inject(inner))  # type: ignore[misc]
        caught = fault.says in said
        unheard += [] if caught else [fault.name]
        tell(f"{'caught' if caught else 'MISSED'}  {fault.name}: {said[:140]}")
    return unheard


def test_every_fault_is_caught(monkeypatch: Patch) -> None:
    unheard = missed(monkeypatch, tell=print)
    print(f"{len(FAULTS) - len(unheard)} of {len(FAULTS)} faults caught")
    assert unheard == []


@pytest.mark.parametrize("device", [FakeCuda(noise=0.002), FakeHost(noise=0.002)], ids=["card", "host"])
def test_without_a_fault_nothing_is_said(device: FakeCuda | FakeHost) -> None:
    said = heard(lambda: session(device))
    allowed = ("ok", "warm-up cut", "not checked", "peak not known", "peak not checked")
    assert set(said.split(" | ")) <= set(allowed)
    assert not any(fault.says in said for fault in FAULTS if fault.says != "warm-up cut")


# ------------------------------------------------------------------ negative controls: a guard is taken away


def no_canaries(patch: Patch) -> None:
    patch.setattr(sessions, "check_timer", lambda device, facts: {"sleep": {"cycles_per_s": 1.59e9}})


def no_rules(patch: Patch) -> None:
    patch.setattr(findings, "judge", lambda times, **rest: Judgement("ok", (), None))


def no_surroundings(patch: Patch) -> None:
    patch.setattr(findings, "surroundings", lambda *args, **rest: [])


def no_sums(patch: Patch) -> None:
    patch.setattr(findings, "covers", lambda track: ("", None))


def no_recomputing(patch: Patch) -> None:
    patch.setattr(findings, "contradictions", lambda *args: ())


def no_cut(patch: Patch) -> None:
    patch.setattr(stopping, "warm_cut", lambda values: 0)


def no_look_at_batches(patch: Patch) -> None:
    patch.setattr(modes, "check_outputs", lambda outputs, asked: None)


def no_look_at_the_environment(patch: Patch) -> None:
    patch.setattr(sessions, "launches_block", lambda: False)


@pytest.mark.parametrize(
    ("remove", "lost"),
    [
        (no_canaries, "a tracer inside the timer"),
        (no_rules, "TF32 silently on in the network"),
        (no_surroundings, "thermal throttling"),
        (no_sums, "time divided by the batch"),
        (no_recomputing, "spread of block means"),
        (no_cut, "the warm-up leaks into the series"),
        (no_look_at_batches, "half of the batch is computed"),
        (no_look_at_the_environment, "launches block"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_without_a_guard_its_fault_is_missed(remove: Callable[[Patch], None], lost: str, monkeypatch: Patch) -> None:
    faults = tuple(fault for fault in FAULTS if fault.name == lost)
    assert missed(monkeypatch, faults) == []
    remove(monkeypatch)
    assert missed(monkeypatch, faults) == [lost]
