"""A run in another process: what it is asked, what it tells, and what is noted when it is gone.  No torch at import.

A request and each event are a line of JSON; what was made of a run lies in the store, or comes as the record's JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import machine, names
from bench.run.events import Phase, Reached, Taken
from bench.run.place import Place
from bench.run.standing import note, outcome, standing
from bench.spec import BenchError, Evaluation, ExitCode, Failure, PlannedRun, RunConfig, RunRecord
from bench.store import Store

if TYPE_CHECKING:
    from bench.executors.child import Loss

WORK = "bench.run.child:work"
"""What the children of a nursery do."""

LOADS = ("bench.run.attempt", "torch._dynamo", "vl_convert", "altair")
"""What every run needs sooner or later: a nursery loads it once."""


def loads(configs: Iterable[RunConfig]) -> list[str]:
    """The modules that runs of `configs` need, in the order in which a nursery had better load them, and what notes
    their source then: records tell of it, however long after."""
    found = dict.fromkeys(LOADS)
    for config in configs:
        for kind in ("dataset", "model", "loss", "method", "optimizer", "groups", "scheduler", "sampler", "scoring"):
            found |= dict.fromkeys(_modules(kind, getattr(config, kind).name))
        for component in config.augment:
            found |= dict.fromkeys(_modules("augment", component.name))
    return [*found, "bench.names.code:keep"]


def _modules(kind: str, name: str) -> list[str]:
    """What building a component imports, as far as its name tells."""
    row = names.entry(kind, name)
    family = names.families(kind).get(name.partition(":")[0]) if row.variant else None
    return [row.build.partition(":")[0], *([family.module] if family and family.installed else [])]


@dataclass
class Home:
    """The sweep's side: `place` is where its runs happen."""

    place: Place
    device: str = ""
    before: dict[str, Any] = field(default_factory=dict)

    def request(self, run: PlannedRun, number: int) -> bytes:
        """What the child is to do, as JSON."""
        place, seen = self.place, self.place.seen.get(run.run_id)
        self.before[run.run_id] = standing(place.store, run.run_id)
        asked = {
            "run": run.model_dump(mode="json"),
            "number": number,
            "folder": os.getcwd(),
            "results": str(place.store.root),
            "sweep": place.sweep,
            "device": place.device,
            "data_root": None if place.data_root is None else str(place.data_root),
            "keep": place.keep,
            "checkpoint_s": place.checkpoint_s,
            "workers": place.workers,
            "seen": seen,
        }
        return json.dumps(asked).encode()

    def read(self, told: dict[str, Any]) -> Any:
        """The event of a line, None where there is nothing to show.  Raises the BenchError that a child told of."""
        match told.pop("kind", None):
            case "phase":
                return Phase(**told)
            case "reached":
                losses = {name: tuple(values) for name, values in told["losses"].items()}
                return Reached(told["step"], losses, tuple(told["lr"]))
            case "evaluation":
                return Evaluation.model_validate(told)
            case "taken":
                return Taken(**told)
            case "run":
                return RunRecord.model_validate({"kind": "run", **told})
            case "failure":
                return Failure.model_validate({"kind": "failure", **told})
            case "warning":
                warnings.warn(told["text"], stacklevel=2)
            case "device":
                self.device = told["label"]
            case "fault":
                raise BenchError(told.pop("problem"), code=ExitCode(told.pop("code")), **told)
        return None

    def ends(self, event: Any) -> bool:
        """Whether nothing more is to come after `event`."""
        return isinstance(event, (RunRecord, Failure, Taken))

    def log_file(self, run: PlannedRun) -> Path:
        """Where what the child prints is kept."""
        return self.place.store.run_folder(run.run_id) / "log.txt"

    def lost(self, run: PlannedRun, number: int, loss: Loss) -> RunRecord | Failure:
        """What a run that is gone had stored before, else a stored note of its loss."""
        store, place = self.place.store, self.place
        if standing(store, run.run_id) != self.before[run.run_id]:
            with contextlib.suppress(BenchError, ValueError):
                if found := outcome(store, run.run_id):
                    return found
        reason = loss.reason
        if loss.state == "oom":
            reason += f"; batch {run.config.batch_size}, crop {run.config.crop_px}"
        label = self.device or (machine.device_label(place.device) if place.device == "cpu" else place.device)
        return note(run, place, loss.state, f"{reason}; see {self.log_file(run).name}", number, label)


def place_of(asked: dict[str, Any], **words: Any) -> Place:
    """The place that a request speaks of, in the process that got it."""
    run_id, seen = asked["run"]["run_id"], asked["seen"]
    return Place(
        store=Store(Path(asked["results"])),
        data_root=None if asked["data_root"] is None else Path(asked["data_root"]),
        seen={} if seen is None else {run_id: (seen[0], seen[1])},
        **{key: asked[key] for key in ("sweep", "device", "keep", "checkpoint_s", "workers")},
        **words,
    )
