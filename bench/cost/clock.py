"""A device -> the clock its work is timed with: when it is, and when the device is done."""

from __future__ import annotations

import time
from typing import Protocol

import torch


class Clock(Protocol):
    """Three readings; a test passes a virtual device with the same three."""

    queued: bool
    """True where a forward returns before its work is done: then host CPU time says nothing about contention."""

    def now_s(self) -> float:
        """Wall time in seconds, monotonic."""

    def cpu_s(self) -> float:
        """CPU time of this process, all threads, in seconds."""

    def synchronise(self) -> None:
        """Return when the device has done all that was asked of it."""


class CpuClock:
    """The host itself: when a forward returns, it is done."""

    queued = False

    def now_s(self) -> float:
        return time.perf_counter()

    def cpu_s(self) -> float:
        return time.process_time()

    def synchronise(self) -> None:
        return


class CudaClock(CpuClock):
    """A CUDA device: a forward only puts kernels into a queue."""

    queued = True

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def synchronise(self) -> None:
        torch.cuda.synchronize(self.device)


def clock_for(device: torch.device) -> Clock:
    """The clock of a device."""
    return CudaClock(device) if device.type == "cuda" else CpuClock()
