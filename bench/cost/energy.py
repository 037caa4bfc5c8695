"""A workload that runs for a while, and the device's energy counter -> joules per image, gross and net of idle.

Counters change every 10 ms to 100 ms and powers are means over up to a second: a short window is worth nothing.
"""

from __future__ import annotations

import statistics
from typing import Protocol

from bench.cost.clock import Device
from bench.cost.modes import Runner
from bench.cost.timing import read
from bench.spec import JSON

WINDOW_S, LEAST_CALLS, MOST_S = 10.0, 200, 60.0
IDLE_S, POLL_S = 10.0, 0.05
APART = 0.10
"""Counter and integrated power differ by more: one of them is wrong (it happens), which is said."""


class Meter(Protocol):
    """What `bench.machine.watch(device)` gives."""

    def energy_mj(self) -> int | None:
        """The device's energy counter in millijoules; None where it has none."""

    def power_w(self) -> float | None:
        """What it draws now in watts; None where it does not tell."""


def measure_energy(device: Device, runner: Runner, batch: int, meter: Meter | None) -> dict[str, JSON]:
    """Energy of one image: `gross_j`, `net_j` (less what the idle device draws), and how they were had.

    Idle power is taken for 10 s before and after.  Calls follow one another for at least 10 s and 200 calls (60 s at
    most), with a wait every 50 ms.  `source` is "counter" or, where there is none, "power" (polled in those waits);
    where the device tells neither, the figures are None and `reason` says so.
    """
    if meter is None or (meter.energy_mj() is None and meter.power_w() is None):
        return {"gross_j": None, "net_j": None, "reason": "the device tells neither its energy nor its power"}
    before_w = _idle_w(device, meter)
    busy = _busy(device, runner, meter)
    after_w = _idle_w(device, meter)
    idle_w = statistics.fmean(known) if (known := [w for w in (before_w, after_w) if w is not None]) else None
    counted_j, polled_j = busy["counted_j"], busy["polled_j"]
    total_j, source = (polled_j, "power") if counted_j is None else (counted_j, "counter")
    found: dict[str, JSON] = {
        "source": source,
        "window_s": busy["seconds"],
        "calls": busy["calls"],
        "idle_before_w": before_w,
        "idle_after_w": after_w,
        "gross_j": None,
        "net_j": None,
    }
    images = batch * busy["calls"]
    if total_j is None or total_j <= 0:  # zeros are what a counter gives over too short a window
        return {**found, "reason": "the counter did not move"}
    found["gross_j"] = total_j / images
    if idle_w is not None:
        found["net_j"] = (total_j - idle_w * busy["seconds"]) / images
    if counted_j and polled_j and abs(polled_j / counted_j - 1) > APART:
        found["flag"] = f"counter and polled power differ by {100 * abs(polled_j / counted_j - 1):.0f} %"
    if busy["calls"] < LEAST_CALLS:
        found["flag"] = f"only {busy['calls']} calls"
    return found


def _busy(device: Device, runner: Runner, meter: Meter) -> dict[str, JSON]:
    """Calls one after another; every 50 ms the queue is drained, or it would run on after the window."""
    runner.load(0)
    every = max(1, int(POLL_S / max(1e-3 * read(device, runner.call).e2e_ms, 1e-6)))
    powers, calls = [], 0
    counter, start = meter.energy_mj(), device.now_s()
    while True:
        for _ in range(every):
            runner.load(calls)
            runner.call()
            calls += 1
        device.synchronise()
        powers.append(meter.power_w())
        now = device.now_s()
        if now - start >= MOST_S or (now - start >= WINDOW_S and calls >= LEAST_CALLS):
            break
    seconds, after = device.now_s() - start, meter.energy_mj()
    known = [power for power in powers if power is not None]
    return {
        "seconds": seconds,
        "calls": calls,
        "counted_j": None if counter is None or after is None else (after - counter) / 1e3,
        "polled_j": statistics.fmean(known) * seconds if known else None,
    }


def _idle_w(device: Device, meter: Meter) -> float | None:
    """Mean power while nothing is asked of the device."""
    device.synchronise()
    counter, start, powers = meter.energy_mj(), device.now_s(), []
    while device.now_s() - start < IDLE_S:
        device.wait(0.1)
        powers.append(meter.power_w())
    after, seconds = meter.energy_mj(), device.now_s() - start
    if counter is not None and after is not None and after > counter:
        return (after - counter) / 1e3 / seconds
    known = [power for power in powers if power is not None]
    return statistics.fmean(known) if known else None
