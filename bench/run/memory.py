"""Peak memory of a run, apart from the runs before it in the same process."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import torch


def reset_peak_memory(device: str) -> None:
    """Start counting peaks anew; where the system cannot, `peak_memory` says None for the process."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: str) -> dict[str, int | None]:
    """Peak bytes since `reset_peak_memory`: allocated on the device, and resident in this process (Linux)."""
    resident_peak = None
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        if os.access("/proc/self/clear_refs", os.W_OK) and (found := re.search(r"VmHWM:\s+(\d+) kB", status)):
            resident_peak = 1024 * int(found[1])
    cuda = device.startswith("cuda")
    return {
        "device_peak": torch.cuda.max_memory_allocated(device) if cuda else None,
        "process_peak": resident_peak,
    }
