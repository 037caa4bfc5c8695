"""A nursery that has loaded everything once for all fault tests of a session, and homes that let its children fail."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench import names
from bench.executors.child import Child
from bench.executors.log import Log
from bench.executors.process import Nursery, process
from bench.run.apart import Home, loads
from bench.run.attempt import attempt
from bench.run.place import Place
from bench.run.training import Run
from bench.spec import Failure, PlannedRun, RunConfig, RunRecord

HERE = Path(__file__).parent
PATHS = [str(HERE.parents[1]), str(HERE), str(HERE.parent / "plugin")]

TINY: dict[str, Any] = {
    "model": "four_convs",
    "dataset": {"name": "landcover", "tile_px": 32, "train_tiles": 8, "val_tiles": 2, "test_tiles": 2},
    "source": "urban",
    "evaluate_on": ("urban", "rural"),
    "crop_px": (32, 32),
    "batch_size": 2,
    "steps": 12,
    "optimizer": "adamw",
}


@functools.cache
def warm() -> Nursery:
    """Needs `four_convs` installed at the first call."""
    before, sys.path[:0] = list(sys.path), PATHS
    os.environ["BENCH_TESTING"] = "1"
    drawing = ("altair", "vl_convert")
    needed = [name for name in loads([tiny().config, tiny(augment=["flip"]).config]) if name not in drawing]
    one = Nursery("warmed:work", "warmed", *needed)
    one.start()
    sys.path[:] = before
    atexit.register(one.close)
    return one


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`four_convs` is installed, and no pictures are drawn."""
    monkeypatch.syspath_prepend(PATHS[2])
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    names.plugins.cache_clear()
    yield
    names.plugins.cache_clear()


@pytest.fixture
def nursery() -> Nursery:
    return warm()


def tiny(**changes: Any) -> PlannedRun:
    config = names.resolve_config(RunConfig.model_validate({**TINY, **changes}))
    return PlannedRun(name=f"tiny-{config.seed}", run_id=names.id_of(config), config=config)


@dataclass
class FaultyHome(Home):
    """Tells each child what is to go wrong: run id -> {"env": ..., "way": ..., "point": ..., "nth": ...}."""

    wrong: dict[str, dict[str, Any]] = field(default_factory=dict)

    def request(self, run: PlannedRun, number: int) -> bytes:
        asked = json.loads(super().request(run, number))
        return json.dumps({**asked, "test": self.wrong.get(run.run_id, {})}).encode()


def fault(setting: str) -> dict[str, Any]:
    return {"env": {"BENCH_FAULT": setting}}


def in_processes(
    runs: Sequence[PlannedRun], place: Place, wrong: dict[str, dict[str, Any]] | None = None, **words: Any
) -> list[RunRecord | Failure]:
    """What came of each of the runs, in children of the warm nursery."""
    ended = {}
    for run, event in process(runs, warm(), FaultyHome(place, wrong=wrong or {}), **words):
        ended[run.run_id] = event
    return [ended[run.run_id] for run in runs]


def inline(run: PlannedRun, place: Place) -> RunRecord | Failure:
    *_, last = attempt(run, place)
    assert isinstance(last, (RunRecord, Failure))
    return last


def numbers(record: Any) -> dict[str, Any]:
    """A record without what may differ between two runs of the same thing."""
    assert isinstance(record, RunRecord), record
    told = {"seconds", "memory_bytes", "started_utc", "finished_utc", "machine", "resumed_at", "commit", "dirty"}
    return record.model_dump(mode="json", exclude=told | {"images_file", "images_sha256"})


@contextlib.contextmanager
def started(request: dict[str, Any], log: Path) -> Iterator[Child]:
    """A child that works on `request`, ended when the block is left."""
    with Log(log, anew=True) as kept, warm().child(json.dumps(request).encode(), kept) as child:
        yield child


def command(folder: Path, log: Path, *words: str, at: Callable[[Child, str], None] | None = None, **env: str) -> int:
    """The exit code of a command in a process of its own; `at(child, output so far)` is called now and then."""
    request = {"words": words, "cwd": str(folder), "test": {"env": env}}
    with started(request, log) as child:
        for _ in child.events(lambda: bool(at and child.pid and at(child, child.log.text())), 120):
            pass
        code = child._code
        assert isinstance(code, int), code
        return code
