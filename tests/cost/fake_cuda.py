"""A CUDA device without a card: virtual time, launches that cost the host, a bounded queue, kernels that run later.

`FakeCuda` has every method of `bench.cost.clock.Device`, so that a measuring session runs on it as on a card; what real
cards do to a timing (clocks that sink, throttling, TF32, caches, memory that ends) are its options.  `FakeHost` is a
CPU in the same virtual time.
"""

from __future__ import annotations

import contextlib
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bench.cost.peaks import peak

MEGAHERTZ = 1590


class FakeMark:
    def __init__(self, device: FakeCuda, at_s: float) -> None:
        self.device, self.at_s = device, at_s

    def passed(self) -> bool:
        return self.device.host_s >= self.at_s

    def ms_since(self, earlier: FakeMark) -> float:
        assert self.passed(), "an event's time was read before the device got there"
        return 1e3 * (self.at_s - earlier.at_s)


class FakeCuda:
    """The host's clock is `host_s`; kernels run one after another and end in the future.

    `clock` gives the share of the highest clock at a time; `slowdown` the share of the card that others take;
    `noise` is the standard deviation of a call's time, relative.
    """

    place = torch.device("cpu")
    queued = True

    def __init__(
        self,
        *,
        card: str = "Tesla T4",
        capability: tuple[int, int] = (7, 5),
        launch_s: float = 7e-6,
        sync_s: float = 5e-6,
        queue: int = 1024,
        cache_bytes: int | None = None,
        memory_bytes: int = 16 * 2**30,
        clock: Callable[[float], float] = lambda seconds: 1.0,
        slowdown: float = 0.0,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.card, self.capability, self.launch_s, self.sync_s, self.queue = card, capability, launch_s, sync_s, queue
        self.cache_bytes, self.memory_bytes = cache_bytes, memory_bytes
        self.clock, self.slowdown, self.noise, self.rng = clock, slowdown, noise, random.Random(seed)
        self.host_s, self.busy_until_s, self.busy_s, self.speed = 0.0, 0.0, 0.0, 1.0
        self.tf32, self.tf32_stuck, self.admits_tf32 = False, False, True
        self.held, self.peak = 0, 0
        self._ends: deque[float] = deque()
        self._recorded: list[float] | None = None
        self._cached: OrderedDict[int, int] = OrderedDict()

    # ------------------------------------------------------------------ what kernels do

    def launch(self, kernel_s: float) -> None:
        """Put a kernel into the queue; a full queue holds the host until its oldest kernel has ended."""
        if self._recorded is not None:
            self._recorded.append(kernel_s)
            return
        self.host_s += self.launch_s
        while self._ends and self._ends[0] <= self.host_s:
            self._ends.popleft()
        if len(self._ends) >= self.queue:
            self.host_s = self._ends.popleft()
        start = max(self.busy_until_s, self.host_s)
        took = kernel_s * self.speed / self.clock(start) / (1 - self.slowdown)
        self.busy_until_s, self.busy_s = start + took, self.busy_s + took
        self._ends.append(self.busy_until_s)

    def begin_call(self) -> None:
        """One call's kernels share its luck."""
        self.speed = 1 + self.noise * self.rng.gauss(0, 1)

    def touch(self, tensor: Tensor) -> bool:
        """Read a tensor; True where it was still in the cache."""
        hit = self._cached.pop(tensor.data_ptr(), None) is not None
        self._cached[tensor.data_ptr()] = tensor.nbytes
        while sum(self._cached.values()) > (self.cache_bytes or 0) and self._cached:
            self._cached.popitem(last=False)
        return hit

    def allocate(self, count: int) -> None:
        if self.held + count > self.memory_bytes:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {count / 2**30:.2f} GiB.")
        self.held += count
        self.peak = max(self.peak, self.held)

    # ------------------------------------------------------------------ bench.cost.clock.Device

    def now_s(self) -> float:
        return self.host_s

    def cpu_s(self) -> float:
        return self.host_s

    def preemptions(self) -> int:
        return 0

    def wait(self, seconds: float) -> None:
        self.host_s += seconds

    def synchronise(self) -> None:
        self.host_s = max(self.host_s, self.busy_until_s) + self.sync_s

    @contextlib.contextmanager
    def precision(self, name: str) -> Iterator[None]:
        before, self.tf32 = self.tf32, name == "tf32" or self.tf32_stuck
        yield
        self.tf32 = before

    def spin(self, cycles: int) -> None:
        self.speed = 1.0
        self.launch(cycles / (1e6 * MEGAHERTZ))

    def mark(self) -> FakeMark:
        self.host_s += 1e-6
        return FakeMark(self, max(self.busy_until_s, self.host_s))

    def capture(self, call: Callable[[], Any]) -> Callable[[], Any]:
        for _ in range(3):
            call()
        self._recorded = []
        try:
            call()
        finally:
            kernels, self._recorded = self._recorded, None
        work_s = sum(kernels)

        def replay() -> None:
            self.begin_call()
            if kernels:
                self.launch(work_s)
            else:
                self.host_s += self.launch_s

        return replay

    def product(self, n: int) -> Callable[[], Any]:
        known = peak(self.card, {}) or peak("Tesla T4", {})
        assert known is not None
        flops = (known.tf32 if self.tf32 else None) or known.fp32

        def call() -> None:
            self.begin_call()
            self.launch(2 * n**3 / (0.85 * flops))

        return call

    def keeps_float32(self) -> bool | None:
        return not self.tf32 if self.admits_tf32 else None

    def held_bytes(self) -> int | None:
        return self.held

    def peak_bytes(self) -> int | None:
        return self.peak

    def forget_peak(self) -> None:
        self.peak = self.held

    def free_bytes(self) -> int | None:
        return self.memory_bytes - self.held

    def release(self) -> None:
        return


class FakeNet(nn.Module):
    """`kernels` launches of `kernel_s` each per image in float32; the first call takes `first_call_s` more.

    `cold_calls` calls after the first are `cold` times as slow; `hot` is the factor of a call whose input is still in
    the cache; `activations` are bytes per image; `hiccup(call)` is added to a call's last kernel; `tf32` and `half` are
    the speed-ups of those precisions.
    """

    def __init__(
        self,
        device: FakeCuda | FakeHost,
        *,
        kernels: int,
        kernel_s: float,
        first_call_s: float = 0.0,
        cold_calls: int = 0,
        cold: float = 3.0,
        hot: float = 1.0,
        activations: int = 0,
        hiccup: Callable[[int], float] = lambda call: 0.0,
        tf32: float = 4.0,
        half: float = 6.0,
    ) -> None:
        super().__init__()
        self.device, self.kernels, self.kernel_s, self.first_call_s = device, kernels, kernel_s, first_call_s
        self.cold_calls, self.cold, self.hot, self.activations = cold_calls, cold, hot, activations
        self.hiccup, self.tf32, self.half, self.calls = hiccup, tf32, half, 0
        self.weight = nn.Parameter(torch.zeros(1, 3, 1, 1))

    @property
    def device_s(self) -> float:
        """The true time of one image on the device, warm, in float32, out of no cache."""
        return self.kernels * self.kernel_s

    def forward(self, images: Tensor) -> Tensor:
        device, batch = self.device, images.shape[0]
        device.host_s += self.first_call_s
        self.first_call_s = 0.0
        device.begin_call()
        device.allocate(self.activations * batch)
        factor = batch * (self.cold if self.calls < self.cold_calls else 1.0)
        factor *= self.hot if device.touch(images) else 1.0
        if images.dtype == torch.float32:
            factor /= self.tf32 if device.tf32 else 1.0
        else:
            factor /= self.half
        for _ in range(self.kernels - 1):
            device.launch(self.kernel_s * factor)
        device.launch(self.kernel_s * factor + self.hiccup(self.calls))
        device.held -= self.activations * batch
        self.calls += 1
        return images[:, :1]


class FakeWatch:
    """What `bench.machine.watch` says of a fake device; `said` overrides or adds readings."""

    IDLE_W, BUSY_W = 30.0, 70.0

    def __init__(self, device: FakeCuda, *, counter: bool = True, power: bool = True, **said: Any) -> None:
        self.device, self.counter, self.power, self.said = device, counter, power, said
        self.reads = 0

    def read(self) -> dict[str, Any]:
        self.reads += 1
        clock = round(MEGAHERTZ * self.device.clock(self.device.host_s))
        return {"sm_clock_mhz": clock, "throttle_bits": 0, "processes": 1, **{k: v() for k, v in self.said.items()}}

    def energy_mj(self) -> int | None:
        busy_s = min(self.device.busy_s, self.device.host_s)
        joules = self.IDLE_W * self.device.host_s + (self.BUSY_W - self.IDLE_W) * busy_s
        return int(1e3 * joules) if self.counter else None

    def power_w(self) -> float | None:
        busy = self.device.busy_until_s + 0.05 >= self.device.host_s
        return (self.BUSY_W if busy else self.IDLE_W) if self.power else None


class FakeHost:
    """A CPU in virtual time; `share` of it is this process's."""

    place = torch.device("cpu")
    queued = False
    capability = None
    cache_bytes = None
    tf32 = False

    def __init__(self, *, share: float = 1.0, noise: float = 0.0, seed: int = 0) -> None:
        self.host_s, self.share, self.noise, self.rng, self.held, self.speed = (
            0.0,
            share,
            noise,
            random.Random(seed),
            0,
            1.0,
        )

    def begin_call(self) -> None:
        self.speed = 1 + self.noise * self.rng.gauss(0, 1)

    def launch(self, kernel_s: float) -> None:
        self.host_s += kernel_s * self.speed / self.share

    def touch(self, tensor: Tensor) -> bool:
        return False

    def allocate(self, count: int) -> None:
        return

    def now_s(self) -> float:
        return self.host_s

    def cpu_s(self) -> float:
        return self.host_s * self.share

    def preemptions(self) -> int:
        return int(self.host_s * 100 * (1 - self.share))

    def wait(self, seconds: float) -> None:
        self.host_s += seconds

    def synchronise(self) -> None:
        return

    def precision(self, name: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def product(self, n: int) -> Callable[[], Any]:
        return lambda: self.launch(2 * n**3 / 50e9)

    def keeps_float32(self) -> bool | None:
        return True

    def held_bytes(self) -> int | None:
        return None

    peak_bytes = free_bytes = held_bytes

    def forget_peak(self) -> None:
        return

    release = forget_peak
