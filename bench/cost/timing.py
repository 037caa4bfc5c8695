"""A call on a device -> its times in ms: end to end, on the device alone, until it returns, in CPU time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.cost.clock import Device

Call = Callable[[], Any]
Load = Callable[[int], None]
"""Puts input number i in its place; never timed."""

HEAD_START = 1.5
"""The queue is held for so many times the host's time to fill it."""
SLACK_S = 5e-4
MAX_BLOCK, MAX_HOLD_S, TRIES = 10, 0.25, 5


class Reading(NamedTuple):
    """One call, the device idle before it: `e2e_ms` until its work is done, `enqueue_ms` until it returns."""

    e2e_ms: float
    enqueue_ms: float
    cpu_ms: float


def read(device: Device, call: Call) -> Reading:
    """Synchronise, start, call, synchronise, stop: what a user who waits for the result sees."""
    device.synchronise()
    cpu, start = device.cpu_s(), device.now_s()
    call()
    returned = device.now_s()
    device.synchronise()
    end = device.now_s()
    return Reading(1e3 * (end - start), 1e3 * (returned - start), 1e3 * (device.cpu_s() - cpu))


def cycles_per_s(device: Device, *, seconds: float = 0.3) -> float:
    """How fast the device's clock runs once it has been busy for `seconds`: by that time it has left its idle state."""
    cycles, rates = 1_000_000, list[float]()
    began = device.now_s()
    while device.now_s() - began < seconds or len(rates) < 5:
        device.synchronise()
        before = device.mark()
        device.spin(cycles)
        after = device.mark()
        device.synchronise()
        rates.append(cycles / max(1e-3 * after.ms_since(before), 1e-9))
        cycles = max(1000, min(int(rates[-1] * 0.01), 2**40))
    return sorted(rates[-5:])[2]


@dataclass
class Ahead:
    """Times the device alone: a spinning kernel holds the queue until the host has filled it, so there are no gaps.

    `cycles_per_s` is the device's clock.  How many calls fit behind one spin depends on the network (the driver's queue
    is bounded), so `block` and `hold_s` are found by trying: a block counts if the spin was still running when the
    last of its calls had been queued.
    """

    cycles_per_s: float
    block: int = MAX_BLOCK
    hold_s: float = 0.0
    behind: int = 0
    """Readings that were kept although the host fell behind: they hold launch gaps."""

    def read(self, device: Device, load: Load, call: Call, *, first: int, count: int) -> list[float]:
        """`count` device times of `call`, inputs from number `first` on."""
        times: list[float] = []
        while len(times) < count:
            for attempt in range(TRIES):
                size = min(self.block, count - len(times))
                block, ahead, filled_s = self._block(device, load, call, first + len(times), size)
                self._learn(ahead, filled_s, attempt)
                if ahead:
                    break
            self.behind += 0 if ahead else size
            times += block
        return times

    def _block(self, device: Device, load: Load, call: Call, first: int, size: int) -> tuple[list[float], bool, float]:
        device.synchronise()
        start = device.now_s()
        device.spin(math.ceil((self.hold_s + SLACK_S) * self.cycles_per_s))
        held, pairs = device.mark(), []
        for number in range(first, first + size):
            load(number)
            before = device.mark()
            call()
            pairs.append((before, device.mark()))
        ahead, filled_s = not held.passed(), device.now_s() - start
        device.synchronise()
        return [after.ms_since(before) for before, after in pairs], ahead, filled_s

    def _learn(self, ahead: bool, filled_s: float, attempt: int) -> None:
        """A longer spin first; then fewer calls, because a full queue makes the host wait however long the spin is."""
        if ahead:
            self.hold_s = max(0.9 * self.hold_s, HEAD_START * filled_s)
            return
        self.hold_s = min(max(HEAD_START * filled_s, 2 * self.hold_s), MAX_HOLD_S)
        if attempt:
            self.block = max(1, self.block // 2)
