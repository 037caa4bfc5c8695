"""The host of a measurement: processor, memory, system; an absent fact is null with a reason."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from bench.spec import JSON


def describe_host() -> dict[str, JSON]:
    cpuinfo, absent = read_text("/proc/cpuinfo"), {}
    memory = re.search(r"MemTotal:\s+(\d+) kB", read_text("/proc/meminfo"))
    release = re.search(r'^PRETTY_NAME="?([^"\n]*)', read_text("/etc/os-release"), re.MULTILINE)
    governor = read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    facts: dict[str, JSON] = {
        "cpu": {
            "name": _cpu_name(cpuinfo) or None,
            "cores": os.cpu_count(),
            "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "governor": governor or None,
            "hypervisor": bool(re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)) if cpuinfo else None,
        },
        "memory_bytes": 1024 * int(memory[1]) if memory else None,
        "memory_limit": read_text("/sys/fs/cgroup/memory.max").strip() or None,
        "cpu_limit": read_text("/sys/fs/cgroup/cpu.max").strip() or None,
        "os": release[1] if release else platform.system(),
        "kernel": " ".join([platform.system(), *re.findall(r"^\d+\.\d+", platform.release())]),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
    }
    for place, values in (("cpu.", facts["cpu"]), ("", facts)):
        absent.update({place + key: "not told by this system" for key, value in values.items() if value is None})
    facts["absent"] = absent
    return facts


def _cpu_name(cpuinfo: str) -> str:
    """ "AMD EPYC 7B13", without trade marks, core counts and nominal clock."""
    found = re.search(r"^(?:model name|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    name = found[1] if found else platform.processor() or platform.machine()
    name = re.sub(r"\((?:R|TM|C)\)|@.*$|\b\d+-Core\b|\b(?:Processor|CPU)\b", " ", name, flags=re.IGNORECASE)
    return " ".join(name.split())


def read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
