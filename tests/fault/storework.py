"""Work for a store, the same in every process: numbered records with their counts, and whether they are all there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from os import write as tell  # as it was before a test replaced it
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import SCHEMA, BenchError, Component, Failure, History, RunConfig, RunRecord
from bench.store import Store, parse, schemas

CONFIG = RunConfig(model=Component(name="m"), dataset="d", source="d/a", evaluate_on=("d/a",), steps=3)
BASE = {
    "run_id": "r-0",
    "name": "tiny",
    "sweep": "s",
    "config": CONFIG,
    "synthetic": True,
    "classes": ("a", "b"),
    "confusion": {"d/a": ((0, 1), (0, 2))},
    "images_scored": {"d/a": 1},
    "history": History(steps=(1,), losses={"segmentation": (0.5,)}, lr=(0.01,)),
    "chosen_step": 3,
    "steps": 3,
    "images_seen": 6,
    "source_images": 8,
    "seconds": {"total": 1.0},
    "memory_bytes": {"process_peak": 1},
    "device": "x" * 600,
    "machine": {},
    "software": {},
    "commit": None,
    "dirty": None,
    "data_digests": {},
    "started_utc": "2026-01-01T00:00:00Z",
    "finished_utc": "2026-01-01T00:00:01Z",
}
TEMPLATE = RunRecord.model_validate(BASE)


def run_id(number: int) -> str:
    return f"r-{number:016x}"


def record(number: int, **changes: object) -> RunRecord:
    """Record `number`, whose counts say which it is."""
    counts = {"d/a": ((number, 1), (0, 2))}
    return TEMPLATE.model_copy(update={"run_id": run_id(number), "confusion": counts, **changes})


def put(store: Store, number: int, **changes: object) -> Path:
    """Claim run `number`, store it, give it up."""
    lease = store.claim(run_id(number))
    assert lease is not None, "it is claimed by somebody else"
    with lease:
        return store.add_run(record(number, **changes), {"d/a": np.array([[[number, 1], [0, 2]]])}, lease)


def is_there(store: Store, number: int) -> bool:
    """Whether run `number` is stored, whole, with its counts."""
    path = store.newest_run_file(run_id(number))
    if path is None:
        return False
    try:
        found = RunRecord.model_validate(parse(path))
        content = path.with_name(str(found.images_file)).read_bytes()
    except (BenchError, OSError, ValueError):
        return False
    same = found.model_copy(update={"images_file": None, "images_sha256": None}) == record(number)
    return same and hashlib.sha256(content).hexdigest() == found.images_sha256


def failure(number: int) -> Failure:
    fields = {"name": "tiny", "sweep": "s", "config": CONFIG, "state": "failed", "reason": "x"}
    return Failure.model_validate({**fields, "run_id": run_id(number), "device": "", "finished_utc": ""})


def acknowledge(handle: int, number: int) -> None:
    """Tell, beside the store and past every buffer, that run `number` is saved."""
    tell(handle, f"{number}\n".encode())


def acknowledged(file: Path) -> list[int]:
    """The runs told of; a last line without its end was cut by a kill."""
    return [int(line) for line in file.read_text().split("\n")[:-1]] if file.exists() else []


def renamed(plain: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in plain.items() if key != "place"}, "device": plain["place"]}


def tomorrow(patch: Callable[[Any, str, Any], None]) -> None:
    """The program after SCHEMA was raised by one."""
    patch(schemas, "SCHEMA", SCHEMA + 1)
    patch(schemas, "UPGRADES", {**schemas.UPGRADES, SCHEMA: renamed})
