"""The GPUs of this machine -> findings.  torch is loaded only where a driver shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench import machine
from bench.cost import peaks
from bench.doctor.finding import Finding, Level
from bench.run.place import DRIVERS

SLOWED = ("hardware slowdown", "thermal", "power brake")
QUIET = ("driver", "power_w", "power_limit_w", "sm_clock_mhz", "temperature_c")
"""What is told of a card where it is known."""


def cards(describe: Callable[[str], Mapping[str, Any]] = machine.describe) -> Iterator[Finding]:
    """Every card that torch can use, and why there is none."""
    if not any(map(os.path.exists, DRIVERS)):
        yield Finding("GPU", "note", "none: no driver; networks are timed on the CPU")
        return
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"this torch (CUDA {built}) cannot use the driver" if built else "this torch is built for CPUs alone"
        yield Finding("GPU", "warning", f"a driver is here, but {why}", "install the torch that fits the driver")
        return
    for number in range(torch.cuda.device_count()):
        yield from card(f"GPU {number}", describe(f"cuda:{number}")["gpu"])
    cudnn: Any = torch.backends.cudnn
    yield Finding("cuDNN", "ok", f"{cudnn.version()}, CUDA {torch.version.cuda}")


def card(name: str, gpu: Mapping[str, Any]) -> Iterator[Finding]:
    """One card, as `machine.describe` tells of it."""
    told = ", ".join(f"{key.replace('_', ' ')} {gpu[key]}" for key in QUIET if gpu.get(key) is not None)
    yield Finding(name, "ok", f"{gpu['name']}" + (f": {told}" if told else ""))
    yield _peak(name, gpu)
    if gpu.get("mig"):
        yield Finding(
            name, "warning", "MIG is on: a slice of a card, whose peak is not the card's", "measure a whole card"
        )
    others = gpu.get("processes")
    if others:
        yield Finding(name, "warning", f"{others} compute processes are on it", "wait until they are done")
    throttle = [word for word in gpu.get("throttle") or () if any(slowed in word for slowed in SLOWED)]
    if throttle:
        yield Finding(name, "warning", f"it is slowed down: {', '.join(throttle)}", "see to its cooling and power")
    if gpu.get("ecc") is False:
        yield Finding(name, "note", "ECC is off: a flipped bit in a long run goes unseen")
    if gpu.get("persistence") is False:
        yield Finding(name, "note", "persistence mode is off: the first call loads the driver", "nvidia-smi -pm 1")
    for reason, keys in _reasons(gpu.get("absent") or {}).items():
        level: Level = "warning" if len(keys) > 9 else "note"
        yield Finding(name, level, f"not told by the driver ({reason}): {', '.join(keys)}")


def _peak(name: str, gpu: Mapping[str, Any]) -> Finding:
    found = peaks.peak(gpu["name"], gpu)
    if found is None:
        return Finding(
            name, "warning", "its peak is unknown: impossible timings cannot be told", "tell its maintainers"
        )
    return Finding(name, "ok", f"peak {found.fastest / 1e12:.0f} TFLOP/s at most: impossible timings are refused")


def _reasons(absent: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason -> the facts that are absent for it."""
    found: dict[str, list[str]] = {}
    for key, reason in absent.items():
        found.setdefault(reason, []).append(key.replace("_", " "))
    return found
