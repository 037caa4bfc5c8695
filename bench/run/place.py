"""Where runs happen: folders, device and limits that may never change a number."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.run.standing import Standing
from bench.spec import BenchError, ExitCode
from bench.store import Store

if TYPE_CHECKING:
    from bench.cache import Cache

DRIVERS = ("/proc/driver/nvidia", "/dev/dxg", "/dev/nvidiactl", "/dev/nvmap")
"""Where a driver of a CUDA device shows (Linux, WSL, containers, Jetson): without one there is no need to ask torch."""

Keep = Literal["chosen", "all", "none"]


def _new_cache() -> Cache:
    from bench.cache import Cache  # loads torch, which a sweep with nothing left to run does without

    return Cache()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where runs happen; nothing here may change a number.

    `stop()` turns true when the run should save and end; `beat()` is called where a run makes progress, and
    `explain(fault)` with an exception that ends one.  `seen` says how each run stood when the sweep was
    planned: one that stands otherwise once it is claimed was somebody else's.
    """

    store: Store
    sweep: str
    device: str = "cpu"
    data_root: Path | None = None
    keep: Keep = "chosen"
    checkpoint_s: float = 120.0
    workers: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    cache: Cache = field(default_factory=_new_cache)
    stop: Callable[[], bool] = lambda: False
    beat: Callable[[], None] = lambda: None
    explain: Callable[[BaseException], None] = lambda fault: None
    seen: Mapping[str, Standing] = field(default_factory=dict)


def pick_device(wanted: str) -> str:
    """`auto` -> the first CUDA device, else the CPU; raises BenchError (code ENVIRONMENT) for one that is not there."""
    kind, _, number = wanted.partition(":")
    if wanted == "cpu" or (wanted == "auto" and not any(map(os.path.exists, DRIVERS))):
        return "cpu"
    if wanted != "auto" and (kind != "cuda" or not re.fullmatch("[0-9]{0,3}", number)):
        raise BenchError(f"unknown device '{wanted}'", remedy="choose auto, cpu, cuda or cuda:N", key="--device")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) < count:
        return f"cuda:{number or 0}"
    if wanted == "auto":
        return "cpu"
    problem = f"there is no {wanted} on this machine ({count} CUDA devices)"
    raise BenchError(problem, remedy="use --device cpu", key="--device", code=ExitCode.ENVIRONMENT)
