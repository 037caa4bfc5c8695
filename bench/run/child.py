"""A request -> the run it asks for, in this process of its own, and its events line by line."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time
import traceback
import warnings
from typing import Any

from bench.run.apart import place_of
from bench.run.events import Event, Phase, Taken
from bench.spec import BenchError, Evaluation, Failure, PlannedRun, RunRecord

BEAT_S = 1.0
"""Signs of life come at most this often."""


def work(request: bytes, events: int) -> None:
    """Run what `request` asks for and write its events to the file `events`.

    SIGTERM and SIGUSR1 ask to save and end; what a terminal sends is for the sweep, which passes it on.
    """
    import torch

    from bench import machine
    from bench.run.attempt import attempt

    wish: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: wish.append(number))
    os.environ.pop("BENCH_DEBUG", None)  # the log has every traceback
    asked, teller = json.loads(request), Teller(events)
    os.chdir(asked["folder"])
    warnings.showwarning = lambda message, *_, **__: teller.tell(kind="warning", text=str(message))
    teller.tell(kind="device", label=machine.device_label(asked["device"], torch.get_num_threads()))
    place = place_of(asked, stop=lambda: bool(wish), beat=teller.beat, explain=traceback.print_exception)
    run = PlannedRun.model_validate(asked["run"])
    try:
        for event in attempt(run, place, asked["number"]):
            teller.tell(**_plain(event))
    except BenchError as error:
        where = {"file": None if error.file is None else str(error.file), "line": error.line, "column": error.column}
        told = {"problem": error.problem, "remedy": error.remedy, "key": error.key, "code": int(error.code)}
        teller.tell(kind="fault", **told, **where)


class Teller:
    """Lines of JSON into a file, whole ones from any thread."""

    def __init__(self, file: int) -> None:
        self.file, self.lock, self.last = file, threading.Lock(), 0.0

    def tell(self, **facts: Any) -> None:
        rest = memoryview(json.dumps(facts).encode() + b"\n")
        with self.lock:
            while rest:
                rest = rest[os.write(self.file, rest) :]

    def beat(self) -> None:
        """A sign of life, unless there was one just now."""
        if (now := time.monotonic()) - self.last > BEAT_S:
            self.last = now
            self.tell(kind="beat")


def _plain(event: Event) -> dict[str, Any]:
    if isinstance(event, (RunRecord, Failure)):
        return event.model_dump(mode="json")
    if isinstance(event, Phase):
        return {"kind": "phase", **dataclasses.asdict(event)}
    if isinstance(event, Taken):
        return {"kind": "taken", "done": event.done}
    if isinstance(event, Evaluation):
        return {"kind": "evaluation", **event.model_dump(mode="json")}
    return {"kind": "reached", "step": event.step, "losses": event.losses, "lr": event.lr}
