"""Where runs happen: folders, device and limits that may never change a number."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.cache import Cache
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
