"""Versions, environment and optional parts -> findings.  Nothing is imported to learn its version."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping

from bench import machine
from bench.doctor.finding import Finding, Level

TORCH_FLOOR = (2, 10)
"""Older ones run code from, or have their memory overwritten by, a weights file: CVE-2025-32434, CVE-2026-24747."""

SPOILERS: dict[str, tuple[Callable[[str], bool], Level, str]] = {
    "CUDA_LAUNCH_BLOCKING": (lambda v: v != "0", "fault", "every kernel is waited for: GPU timings are refused"),
    "NVIDIA_TF32_OVERRIDE": (lambda v: True, "fault", "changes the precision behind the program's back"),
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": (lambda v: v != "0", "warning", "lets fp32 runs compute in TF32"),
    "PYTORCH_NO_CUDA_MEMORY_CACHING": (lambda v: v != "0", "warning", "every tensor asks the driver for memory: slow"),
    "PYTHONMALLOC": (lambda v: "debug" in v, "warning", "slows Python down"),
    "PYTHONDEVMODE": (lambda v: v != "0", "warning", "slows Python down"),
    "PYTHONPROFILEIMPORTTIME": (lambda v: v != "0", "warning", "writes to stderr at every import"),
    "LD_PRELOAD": (lambda v: True, "note", "a library is put before all others"),
    "ATEN_CPU_CAPABILITY": (lambda v: True, "warning", "limits the vector instructions torch uses"),
    "ONEDNN_MAX_CPU_ISA": (lambda v: True, "warning", "limits the vector instructions of convolutions"),
    "DNNL_MAX_CPU_ISA": (lambda v: True, "warning", "limits the vector instructions of convolutions"),
    "TORCHDYNAMO_DISABLE": (lambda v: v != "0", "warning", "--mode compile compiles nothing"),
    "CUDA_DEVICE_MAX_CONNECTIONS": (lambda v: True, "note", "changes how kernels queue; it stands in every record"),
    "BENCH_FAULT": (lambda v: True, "fault", "faults are injected: for tests of this program alone"),
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def versions() -> Iterator[Finding]:
    """Python, torch and what belongs to it."""
    yield Finding("Python", "ok", platform.python_version())
    if hasattr(os.path, "ALLOW_MISSING"):
        yield Finding("tarfile", "ok", "has the fixes of 2025 (CVE-2025-4517 and others)")
    else:
        said = "lacks the fixes of 2025 (CVE-2025-4517 and others); this program reads archives without it"
        yield Finding("tarfile", "note", said, "update Python to its newest patch release")
    yield torch_version(machine.version("torch"))
    for package in ("torchvision", "numpy"):
        found = machine.version(package)
        yield Finding(
            package, "ok" if found else "fault", found or "not installed", "" if found else "install bench anew"
        )


def torch_version(found: str | None) -> Finding:
    """torch, and whether a file of weights may be trusted with it."""
    numbers = re.match(r"(\d+)\.(\d+)", found or "")
    if numbers is None:
        return Finding("torch", "fault", "not installed", "install bench anew")
    if (int(numbers[1]), int(numbers[2])) < TORCH_FLOOR:
        said = f"{found}: a weights file can take over the program (CVE-2025-32434, CVE-2026-24747)"
        return Finding("torch", "fault", said, f"install torch {'.'.join(map(str, TORCH_FLOOR))} or newer")
    return Finding("torch", "ok", f"{found}, reads weights safely")


def environment(variables: Mapping[str, str], cores: int, on_card: bool) -> Iterator[Finding]:
    """Variables that spoil timings; those that only concern a GPU are notes where there is none."""
    clean = True
    for name, (spoils, level, said) in SPOILERS.items():
        value = variables.get(name, "")
        if value and spoils(value):
            clean = False
            concerned = on_card or not re.search("CUDA|TF32", name)
            yield Finding(name, level if concerned else "note", said, f"unset {name}")
    for name in THREADS:
        value = variables.get(name, "")
        if value and not value.isdigit():
            yield Finding(name, "warning", f"{value[:40]!r} is no number", f"unset {name}")
        elif value and int(value) > cores:
            yield Finding(name, "warning", f"{value} threads on {cores} cores wait for each other", f"{name}={cores}")
        elif value:
            yield Finding(name, "note", f"{value}: training uses so many threads; timings use --threads")
    if clean:
        yield Finding("environment", "ok", "no variable that spoils timings")
    if sys.flags.dev_mode or sys.flags.debug:
        yield Finding(
            "Python mode", "warning", "development or debug mode slows Python down", "start python without it"
        )


def extras(package: str = "bench") -> Iterator[Finding]:
    """Each optional part of the program, and what of it is not installed."""
    try:
        wanted = importlib.metadata.requires(package) or []
        names = importlib.metadata.metadata(package).get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("optional parts", "note", "not told: the program runs from its source folder")
        return
    for name in sorted(set(names) - {"dev"}):
        own = [r for r in wanted if re.search(rf"extra *== *['\"]{re.escape(name)}['\"]", r)]
        packages = sorted({re.split(r"[^A-Za-z0-9._-]", r, maxsplit=1)[0] for r in own})
        missing = [p for p in packages if machine.version(p) is None]
        if missing:
            said = f"not installed: {', '.join(missing)}"
            yield Finding(f"extra [{name}]", "note", said, f"pip install 'bench[{name}]'")
        else:
            yield Finding(f"extra [{name}]", "ok", "installed")
