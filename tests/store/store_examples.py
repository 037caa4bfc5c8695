"""Small records of every kind for tests of the store, and their arrays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import (
    Component,
    CostRecord,
    Failure,
    History,
    LatencyRecord,
    PlannedRun,
    RunConfig,
    RunRecord,
    Sweep,
    Timing,
    Workload,
)
from bench.store import Store, files

CONFIG = RunConfig.model_validate({"model": "m", "dataset": "d", "source": "d/a", "evaluate_on": ["d/a"], "steps": 3})
ID = "r-0000000000000001"
COUNTS = {"d/a": np.array([[[3, 1], [0, 2]]])}
WORKLOAD = Workload(model=Component(name="m"), num_classes=2, size=(8, 8))
MADE: dict[str, Any] = {"device": "fake", "machine": {}, "software": {}, "commit": None, "dirty": None}
UTC = "2026-01-02T03:04:05Z"


def run_id(number: int) -> str:
    return f"r-{number:016x}"


def record(number: int = 1, **changes: Any) -> RunRecord:
    fields = {
        "run_id": run_id(number),
        "name": "tiny",
        "sweep": "s",
        "config": CONFIG,
        "synthetic": True,
        "classes": ("a", "b"),
        "confusion": {"d/a": ((3, 1), (0, 2))},
        "images_scored": {"d/a": 1},
        "history": History(),
        "chosen_step": 3,
        "steps": 3,
        "images_seen": 6,
        "source_images": 8,
        "seconds": {"total": 1.0},
        "memory_bytes": {},
        "data_digests": {},
        "started_utc": UTC,
        "finished_utc": UTC,
    }
    return RunRecord.model_validate({**fields, **MADE, **changes})


def cost(**changes: Any) -> CostRecord:
    counts = ("params_deployed", "params_training", "macs", "macs_training_graph")
    rest: dict[str, Any] = {"fvcore_total": None, "fvcore_total_training_graph": None, "latency": None, "protocol": {}}
    fields = {"model": {"name": "m"}, "num_classes": 2, "input_shape": (1, 3, 8, 8), "memory_bytes": {}}
    return CostRecord.model_validate(
        {**fields, **dict.fromkeys(counts, 1), **rest, **MADE, "measured_utc": UTC, **changes}
    )


def latency(timings: int = 1, **changes: Any) -> LatencyRecord:
    timing = Timing(workload=WORKLOAD, macs=1, params=2, weight_bytes=8)
    fields = {"session": "s-1", "repeat": 1, "repeats": 3, "timings": (timing,) * timings, "canaries": {}, "threads": 1}
    return LatencyRecord.model_validate({**fields, **MADE, "measured_utc": UTC, **changes})


def failure(number: int = 1, **changes: Any) -> Failure:
    fields = {"run_id": run_id(number), "name": "tiny", "sweep": "s", "config": CONFIG, "state": "failed"}
    return Failure.model_validate({**fields, "reason": "x", "device": "", "finished_utc": UTC, **changes})


def sweep(name: str = "s", about: str = "") -> Sweep:
    return Sweep(name=name, about=about, runs=(PlannedRun(name="tiny", run_id=ID, config=CONFIG),))


def add(store: Store, number: int = 1, **changes: Any) -> Path:
    return store.add_run(record(number, **changes), COUNTS)


def add_latency(store: Store, **changes: Any) -> Path:
    return store.add_latency(latency(**changes), "fake", {"0.e2e": np.array([1.5], np.float32)})


def rewrite(path: Path, **keys: Any) -> None:
    """Change fields of a record and give it a digest that fits."""
    plain = {**files.parse(path), **keys}
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))


def dangling(path: Path) -> None:
    """A link to nowhere in the place of a file."""
    path.unlink()
    path.symlink_to("nowhere")


def sealed(content: bytes, *, line: int | None = None, **changes: Any) -> bytes:
    """A checkpoint of these bytes, its first line (the end included) `line` long."""
    head = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), **changes}
    text = json.dumps(head).encode()
    return text + b" " * (0 if line is None else line - 1 - len(text)) + b"\n" + content
