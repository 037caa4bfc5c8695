"""The store -> how a run stands in it now: whether somebody has added to it since, and what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from bench.run.events import utc_now
from bench.spec import Failure, PlannedRun, RunRecord
from bench.store import Store, parse

if TYPE_CHECKING:
    from bench.run.place import Place

State = Literal["failed", "diverged", "oom", "data", "interrupted", "died", "hung"]

Standing = tuple[int, str]
"""How many records there are of a run, and the sha256 of the note on its failure, empty without one."""


def standing(store: Store, run_id: str) -> Standing:
    """How `run_id` stands now."""
    return store.attempts(run_id), _noted(store, run_id)


def standings(store: Store, run_ids: Iterable[str]) -> dict[str, Standing]:
    """How each of many runs stands now, the folder of records listed once."""
    records: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(store.root / "runs"):
            stem, dot, number = name.removesuffix(".json").partition(".a")
            if name.endswith(".json") and (number.isdigit() or not dot):
                records[stem] = max(records.get(stem, 0), int(number or 1))
    return {run_id: (records.get(run_id, 0), _noted(store, run_id)) for run_id in run_ids}


def _noted(store: Store, run_id: str) -> str:
    try:
        return hashlib.sha256((store.run_folder(run_id) / "failure.json").read_bytes()).hexdigest()
    except OSError:
        return ""


def outcome(store: Store, run_id: str) -> RunRecord | Failure | None:
    """What last came of `run_id`: its newest record or the note on its failure, whichever is later; None without."""
    path, file = store.run_folder(run_id) / "failure.json", store.newest_run_file(run_id)
    found: list[RunRecord | Failure] = [] if file is None else [RunRecord.model_validate(parse(file))]
    if path.exists():
        found.append(Failure.model_validate(parse(path)))
    return max(found, key=lambda one: one.finished_utc, default=None)


def note(planned: PlannedRun, place: Place, state: State, reason: str, number: int, device: str) -> Failure:
    """Store that `planned` did not finish on `device` at try `number`."""
    failure = Failure(
        run_id=planned.run_id,
        name=planned.name,
        sweep=place.sweep,
        config=planned.config,
        state=state,
        reason=" ".join(reason.split())[:500],
        tries=number,
        device=device,
        finished_utc=utc_now(),
    )
    place.store.add_failure(failure)
    return failure
