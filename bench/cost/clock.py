"""A device as a timer sees it: a clock, a queue, marks in that queue; and the host itself as the simplest of them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from bench.cost.conditions import numerics
from bench.spec.timing import Precision


class Mark(Protocol):
    """A place in the device's queue, with the time at which the device passed it."""

    def passed(self) -> bool:
        """True once the device has done all that was queued before; never waits."""

    def ms_since(self, earlier: Any) -> float:
        """Device time from an earlier mark to this one; both have been passed."""


class Device(Protocol):
    """What timing asks of a device: `CpuDevice`, `bench.cost.cuda.CudaDevice`, and a virtual one in the tests."""

    place: torch.device
    """Where tensors and modules go."""
    queued: bool
    """True where a call returns before its work is done."""
    capability: tuple[int, int] | None
    cache_bytes: int | None
    """The last-level cache; inputs that fit in it are read faster than a user's."""

    def now_s(self) -> float:
        """Wall time of the host, monotonic."""

    def cpu_s(self) -> float:
        """CPU time of this process, all threads."""

    def preemptions(self) -> int:
        """How often this process was put off a processor against its will."""

    def wait(self, seconds: float) -> None:
        """Do nothing for so long."""

    def synchronise(self) -> None:
        """Return when the device has done all that was asked of it."""

    def precision(self, name: Precision) -> AbstractContextManager[None]:
        """Inside, float32 products are computed as `name` says."""

    def spin(self, cycles: int) -> None:
        """Queue a kernel that does nothing for `cycles` of the device's clock."""

    def mark(self) -> Mark:
        """Queue a mark."""

    def capture(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Record what `call` queues; the answer queues all of it again at once."""

    def product(self, n: int) -> Callable[[], Any]:
        """A call that multiplies two float32 matrices n x n."""

    def keeps_float32(self) -> bool | None:
        """True where a float32 product and convolution keep all bits of their inputs now; None where not asked."""

    def held_bytes(self) -> int | None:
        """Memory that tensors hold now; None where it cannot be told, as below."""

    def peak_bytes(self) -> int | None:
        """The most that tensors have held since `forget_peak`."""

    def forget_peak(self) -> None:
        """Begin anew with what is held now."""

    def free_bytes(self) -> int | None:
        """Memory left for tensors."""

    def release(self) -> None:
        """Give back memory that nothing refers to."""


class CpuDevice:
    """The host itself: when a call returns, it is done.  It has no queue, so nothing that needs one is ever asked."""

    place = torch.device("cpu")
    queued = False
    capability: tuple[int, int] | None = None
    cache_bytes: int | None = None

    def now_s(self) -> float:
        return time.perf_counter()

    def cpu_s(self) -> float:
        return time.process_time()

    def preemptions(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def synchronise(self) -> None:
        return

    def precision(self, name: Precision) -> AbstractContextManager[None]:
        return numerics(name)

    def spin(self, cycles: int) -> None:
        raise NotImplementedError("a CPU has no queue")

    def mark(self) -> Mark:
        raise NotImplementedError("a CPU has no queue")

    def capture(self, call: Callable[[], Any]) -> Callable[[], Any]:
        raise NotImplementedError("a CPU has no queue")

    def product(self, n: int) -> Callable[[], Any]:
        left, right = (torch.full((n, n), 0.5, device=self.place) for _ in range(2))
        return lambda: left @ right

    def keeps_float32(self) -> bool | None:
        """TF32 has 10 bits of mantissa and bf16 7: 1 + 2^-12 becomes 1 in both."""
        value = 1 + 2.0**-12
        images, weights = torch.full((1, 64, 16, 16), value), torch.zeros(64, 64, 1, 1)
        weights[range(64), range(64)] = 1.0
        images, weights = images.to(self.place), weights.to(self.place)
        convolved = torch.nn.functional.conv2d(images, weights)
        multiplied = images.reshape(64, 256).T @ weights.reshape(64, 64)
        return bool((convolved == value).all()) and bool((multiplied == value).all())

    def held_bytes(self) -> int | None:
        return None  # the process's own peak holds the interpreter, torch and every earlier model too

    def peak_bytes(self) -> int | None:
        return None

    def forget_peak(self) -> None:
        return

    def free_bytes(self) -> int | None:
        return None

    def release(self) -> None:
        return


def device_for(place: torch.device) -> Device:
    """The device at `place`."""
    if place.type != "cuda":
        return CpuDevice()
    from bench.cost.cuda import CudaDevice

    return CudaDevice(place)
