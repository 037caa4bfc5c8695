"""The surroundings of a number: processor, card, driver, software, commit.  An absent fact is null with a reason.

Records get published: no host name, no user name, no path and no serial number is read.  No torch at import.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import math
import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.spec import JSON

_THROTTLE = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}
_SETTINGS = (
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_MODULE_LOADING",
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
)


def describe(device: str) -> dict[str, JSON]:
    """Facts about this host and, for "cuda" or "cuda:<n>", its card under "gpu"; `absent` gives each null's reason."""
    host = _host()
    host["gpu"] = _gpu(device) if device.startswith("cuda") else None
    return host


def software() -> dict[str, JSON]:
    """Versions (null where not installed), torch's precision flags, and environment settings that change timings."""
    import torch

    found: dict[str, JSON] = {name: version(name) for name in ("bench", "torch", "torchvision", "numpy", "fvcore")}
    cudnn: Any = torch.backends.cudnn
    found["python"] = platform.python_version()
    found["cuda"] = torch.version.cuda
    try:
        found["cudnn"] = cudnn.version() if torch.cuda.is_available() else None
    except RuntimeError:  # a card too old for this cuDNN
        found["cudnn"] = None
    found["flags"] = {
        "cudnn_benchmark": cudnn.benchmark,
        "cudnn_deterministic": cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "conv_fp32_precision": cudnn.conv.fp32_precision,
        "matmul_fp32_precision": torch.backends.cuda.matmul.fp32_precision,
    }
    found["environment"] = {name: os.environ[name] for name in _SETTINGS if name in os.environ}
    return found


def commit(path: Path | None = None) -> tuple[str | None, bool | None]:
    """(hash, dirty) of the checkout that tracks this package, or (None, None) where none does.

    `path` is the package's folder.  An installed copy inside somebody else's checkout is not tracked by it.  Dirty
    means that a file of the package is changed or new: other files do not decide numbers, or are in the record.
    """
    folder = Path(__file__).parent if path is None else path
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None, None
    head, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--", ".")
    return head, None if changes is None else bool(changes)


def device_label(device: str, threads: int = 1, facts: Mapping[str, JSON] | None = None) -> str:
    """As people read it: "AMD EPYC, 1 thread", "NVIDIA H200 141 GB".  `facts` is what `describe(device)` said."""
    facts = describe(device) if facts is None else facts
    gpu = facts.get("gpu")
    if gpu is None:
        return f"{facts['cpu']['name'] or 'CPU'}, {threads} thread{'s' * (threads > 1)}"
    name, memory = gpu["name"] or "CUDA device", gpu["memory_bytes"]
    return name if memory is None or re.search(r"\d ?GB", name) else f"{name} {math.ceil(memory / 2**30)} GB"


def device_slug(device: str, threads: int = 1, facts: Mapping[str, JSON] | None = None) -> str:
    """As files are called: "amd-epyc-1t"; for a card also its power limit: "nvidia-h200-141g-700w"."""
    facts = describe(device) if facts is None else facts
    gpu = facts.get("gpu")
    text = device_label(device, threads, facts)
    if gpu is None:
        text = re.sub(r", (\d+) threads?$", r" \1t", text)
    elif gpu["power_limit_w"] is not None:
        text += f" {gpu['power_limit_w']:.0f}w"
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(\d) ?gb", r"\1g", text.lower())).strip("-")


# ------------------------------------------------------------------ host


def _host() -> dict[str, JSON]:
    cpuinfo, absent = _read("/proc/cpuinfo"), {}
    memory = re.search(r"MemTotal:\s+(\d+) kB", _read("/proc/meminfo"))
    release = re.search(r'^PRETTY_NAME="?([^"\n]*)', _read("/etc/os-release"), re.MULTILINE)
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    facts: dict[str, JSON] = {
        "cpu": {
            "name": _cpu_name(cpuinfo) or None,
            "cores": os.cpu_count(),
            "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "governor": governor or None,
            "hypervisor": bool(re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)) if cpuinfo else None,
        },
        "memory_bytes": 1024 * int(memory[1]) if memory else None,
        "memory_limit": _read("/sys/fs/cgroup/memory.max").strip() or None,
        "cpu_limit": _read("/sys/fs/cgroup/cpu.max").strip() or None,
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


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# ------------------------------------------------------------------ card


def _gpu(device: str) -> dict[str, JSON]:
    """What torch and the driver's library (NVML) say of a card."""
    import torch

    absent: dict[str, str] = {}
    seen = torch.cuda.get_device_properties(torch.device(device))
    uuid = str(getattr(seen, "uuid", "")).removeprefix("GPU-")
    facts: dict[str, JSON] = {
        "name": seen.name,
        "capability": f"{seen.major}.{seen.minor}",
        "sm_count": seen.multi_processor_count,
        "l2_bytes": getattr(seen, "L2_cache_size", None),
        "uuid_sha256": hashlib.sha256(uuid.encode()).hexdigest()[:8] if uuid else None,
    }
    facts.update(_nvml("GPU-" + uuid, absent))
    if facts["memory_bytes"] is None:
        facts["memory_bytes"] = seen.total_memory
    facts["absent"] = absent
    return facts


def _nvml(uuid: str, absent: dict[str, str]) -> dict[str, JSON]:
    """Answers of NVML for the card `uuid`; each is asked for on its own, because many cards refuse some."""
    import pynvml as nvml

    questions: dict[str, Callable[[Any], JSON]] = {
        "driver": lambda h: _text(nvml.nvmlSystemGetDriverVersion()),
        "memory_bytes": lambda h: int(nvml.nvmlDeviceGetMemoryInfo(h).total),
        "sm_clock_mhz": lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_SM),
        "memory_clock_mhz": lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_MEM),
        "max_sm_clock_mhz": lambda h: nvml.nvmlDeviceGetMaxClockInfo(h, nvml.NVML_CLOCK_SM),
        "max_memory_clock_mhz": lambda h: nvml.nvmlDeviceGetMaxClockInfo(h, nvml.NVML_CLOCK_MEM),
        "power_w": lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1000,
        "power_limit_w": lambda h: nvml.nvmlDeviceGetEnforcedPowerLimit(h) / 1000,
        "power_limit_default_w": lambda h: nvml.nvmlDeviceGetPowerManagementDefaultLimit(h) / 1000,
        "temperature_c": lambda h: nvml.nvmlDeviceGetTemperature(h, nvml.NVML_TEMPERATURE_GPU),
        "performance_state": lambda h: nvml.nvmlDeviceGetPerformanceState(h),
        "throttle": lambda h: _throttle(nvml.nvmlDeviceGetCurrentClocksEventReasons(h)),
        "ecc": lambda h: bool(nvml.nvmlDeviceGetEccMode(h)[0]),
        "mig": lambda h: bool(nvml.nvmlDeviceGetMigMode(h)[0]),
        "pcie_generation": lambda h: nvml.nvmlDeviceGetCurrPcieLinkGeneration(h),
        "pcie_width": lambda h: nvml.nvmlDeviceGetCurrPcieLinkWidth(h),
        "processes": lambda h: len(nvml.nvmlDeviceGetComputeRunningProcesses(h)),
    }
    facts: dict[str, JSON] = dict.fromkeys(questions)
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        absent.update(dict.fromkeys(questions, _reason(error)))
        return facts
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        for key, ask in questions.items():
            try:
                facts[key] = ask(handle)
            except (nvml.NVMLError, AttributeError, TypeError) as error:
                absent[key] = _reason(error)
    except nvml.NVMLError as error:
        absent.update(dict.fromkeys(questions, _reason(error)))
    finally:
        nvml.nvmlShutdown()
    return facts


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _throttle(bits: int) -> list[str]:
    known = [word for bit, word in _THROTTLE.items() if bits & bit]
    rest = bits & ~sum(_THROTTLE)
    return [*known, hex(rest)] if rest else known


# ------------------------------------------------------------------ software


@functools.cache
def version(package: str) -> str | None:
    """The installed version of a package, without importing it; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *words: str) -> str | None:
    """git's answer, or None: no git, no checkout, or one that is not ours to read.  No lock is taken."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words], cwd=folder, env=clean, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
