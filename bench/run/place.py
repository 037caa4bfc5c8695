"""Where runs happen: folders, device and limits that may never change a number."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.cache import Cache
from bench.spec import BenchError, ExitCode
from bench.store import Store

Keep = Literal["chosen", "all", "none"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where runs happen; nothing here may change a number.  `stop()` turns true when the run should save and end."""

    store: Store
    sweep: str
    device: str = "cpu"
    data_root: Path | None = None
    keep: Keep = "chosen"
    checkpoint_s: float = 120.0
    workers: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    cache: Cache = field(default_factory=Cache)
    stop: Callable[[], bool] = lambda: False


def pick_device(wanted: str) -> str:
    """`auto` -> the first CUDA device, else the CPU; raises BenchError (code ENVIRONMENT) for one that is not there."""
    import torch

    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return wanted
    kind, _, number = wanted.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise BenchError(f"unknown device '{wanted}'", remedy="choose auto, cpu, cuda or cuda:N", key="--device")
    if int(number or 0) >= torch.cuda.device_count():
        problem = f"there is no {wanted} on this machine ({torch.cuda.device_count()} CUDA devices)"
        raise BenchError(problem, remedy="use --device cpu", key="--device", code=ExitCode.ENVIRONMENT)
    return f"cuda:{number or 0}"
