"""Processor, memory, load and disks -> findings.  Facts come from `bench.machine`; no torch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.doctor.finding import Finding

BUSY = 0.5
"""Load per core from which a second program takes time from what is measured."""

GB = 10**9
MEMORY_NEEDED, DISK_NEEDED, DISK_LEAST = 4 * GB, 5 * GB, GB // 5


def host(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """What `machine.describe("cpu")` says of the processor, and what it means for timings."""
    cpu = facts["cpu"]
    usable = cpu["usable_cores"] or cpu["cores"]
    yield Finding("processor", "ok", f"{cpu['name'] or 'unknown'}, {usable} of {cpu['cores']} cores usable")
    if cpu["hypervisor"]:
        said = "a virtual machine: neighbours take time that nobody here sees"
        yield Finding(
            "virtual machine", "note", said, "compare only what was timed in turns, and look at the intervals"
        )
    yield _governor(cpu["governor"])
    yield _quota(facts["cpu_limit"])
    load = facts["load_average"]
    if load is None:
        yield Finding("load", "note", "not told by this system")
    elif load[0] > BUSY * usable:
        yield Finding(
            "load", "warning", f"{load[0]:.2f} on {usable} cores: others are at work", "wait until they are done"
        )
    else:
        yield Finding("load", "ok", f"{load[0]:.2f} on {usable} cores")


def _governor(name: str | None) -> Finding:
    if name is None:
        return Finding("governor", "note", "not told by this system: clocks may change unseen")
    if name == "performance":
        return Finding("governor", "ok", name)
    return Finding("governor", "note", f"{name}: clocks follow the load", "cpupower frequency-set -g performance")


def _quota(limit: str | None) -> Finding:
    """cgroup's `cpu.max`: `max 100000`, or microseconds in each period."""
    found = re.fullmatch(r"(\d+) (\d+)", limit or "")
    if not found:
        return Finding("CPU quota", "ok", "none")
    cores = int(found[1]) / max(1, int(found[2]))
    if cores < 1:
        said = f"{cores:.2f} cores: even one thread is stopped in every period"
        return Finding("CPU quota", "warning", said, "ask for at least one whole core")
    return Finding(
        "CPU quota", "note", f"{cores:.2f} cores: more threads are stopped in turns", "use no more --threads"
    )


def memory(facts: Mapping[str, Any], meminfo: Path = Path("/proc/meminfo")) -> Finding:
    """What is free now, as far as this system tells."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
    except OSError:
        found = None
    if found is None:
        return Finding("memory", "note", "not told by this system")
    free, total = 1024 * int(found[1]), facts["memory_bytes"] or 0
    said = f"{free / GB:.1f} GB free of {total / GB:.1f} GB"
    limit = facts["memory_limit"]
    if limit and limit.isdigit():
        free, said = min(free, int(limit)), f"{said}, limited to {int(limit) / GB:.1f} GB"
    if free < MEMORY_NEEDED:
        return Finding("memory", "warning", said, "large networks may be killed: free some, or use smaller batches")
    return Finding("memory", "ok", said)


def disk(what: str, folder: Path) -> Finding:
    """Free bytes where `folder` is, or will be."""
    free = shutil.disk_usage(existing(folder)).free
    said = f"{free / GB:.1f} GB free"
    if free < DISK_LEAST:
        return Finding(what, "fault", f"{said}: records may not fit", "free some space")
    if free < DISK_NEEDED:
        return Finding(what, "warning", f"{said}: checkpoints may not fit", "free some space")
    return Finding(what, "ok", said)


def existing(folder: Path) -> Path:
    """`folder`, or the nearest folder above it that is there."""
    here = folder.absolute()
    while not here.is_dir():
        here = here.parent
    return here
