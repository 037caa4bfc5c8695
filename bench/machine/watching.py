"""A device while it works -> what can be seen of it between two rounds: clocks, heat, power, throttling, company."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
from typing import Self

from bench.machine.host import read_text
from bench.machine.nvml import Asked, Questions, asking, throttle_bits, throttle_words, uuid_of
from bench.spec import JSON

QUESTIONS: Questions = {
    "sm_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_SM),
    "memory_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_MEM),
    "temperature_c": lambda nvml, card: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
    "power_w": lambda nvml, card: nvml.nvmlDeviceGetPowerUsage(card) / 1000,
    "performance_state": lambda nvml, card: nvml.nvmlDeviceGetPerformanceState(card),
    "throttle_bits": throttle_bits,
    "utilisation": lambda nvml, card: nvml.nvmlDeviceGetUtilizationRates(card).gpu,
    "processes": lambda nvml, card: len(nvml.nvmlDeviceGetComputeRunningProcesses(card)),
}
ENERGY: Questions = {"energy_mj": lambda nvml, card: int(nvml.nvmlDeviceGetTotalEnergyConsumption(card))}
POWER: Questions = {"power_w": QUESTIONS["power_w"]}


class Watch:
    """Use it in a `with`, so that the driver's library is left at the end."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()


class CardWatch(Watch):
    """A card at "cuda" or "cuda:<n>".  A reading describes the last second, not a moment."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._ask: Asked = self._open.enter_context(asking(uuid_of(device)))

    def read(self) -> dict[str, JSON]:
        """Clocks, temperature, power, throttle reasons (bits and words), utilisation in %, processes; null: untold."""
        facts, _ = self._ask(QUESTIONS)
        bits = facts["throttle_bits"]
        facts["throttle"] = None if bits is None else throttle_words(bits)
        return facts

    def energy_mj(self) -> int | None:
        """The card's energy counter in millijoules (from Volta on)."""
        return self._ask(ENERGY)[0]["energy_mj"]  # type: ignore[no-any-return]

    def power_w(self) -> float | None:
        """What it draws, in watts: a mean over up to a second."""
        return self._ask(POWER)[0]["power_w"]  # type: ignore[no-any-return]


class HostWatch(Watch):
    """The host's processor; its energy is told to administrators only."""

    def read(self) -> dict[str, JSON]:
        """Load of the last minute, and the processors' clock where the system tells."""
        clocks = [
            int(found[0]) / 1000 for cpu in range(os.cpu_count() or 0) if (found := re.findall(r"\d+", _clock(cpu)))
        ]
        return {
            "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "cpu_clock_mhz": round(statistics.fmean(clocks)) if clocks else None,
        }

    def energy_mj(self) -> int | None:
        return None

    def power_w(self) -> float | None:
        return None


def _clock(cpu: int) -> str:
    return read_text(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")


def watch(device: str) -> CardWatch | HostWatch:
    """What watches "cpu", "cuda" or "cuda:<n>" while a session runs: give it to `measure_session`."""
    return CardWatch(device) if device.startswith("cuda") else HostWatch()
