"""A planned run -> what came of it, whatever that is: a stored record or a stored failure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch

from bench import machine
from bench.run.events import Diverged, Event, Interrupted, Taken
from bench.run.memory import peak_memory
from bench.run.place import Place
from bench.run.standing import State, note, outcome, standing
from bench.run.training import Run
from bench.spec import BenchError, ExitCode, Failure, PlannedRun
from bench.store import Lease

DONE = ("failed", "diverged", "oom", "died", "hung")
"""States that are not tried again without being asked."""


def attempt(planned: PlannedRun, place: Place, number: int = 1) -> Iterator[Event]:
    """Claim `planned`, run it and store what comes of it; the last event is its RunRecord, its Failure, or Taken.

    `number` counts the tries of one sweep from 1.  Faults of this run (an exception, a loss that is not finite, memory
    that ran out, bad data) become a stored Failure.  Raises BenchError for faults of the place (a full disk, a store
    that cannot be written): no other run would fare better, and this one is left to be gone on with.
    """
    lease = place.store.claim(planned.run_id)
    if lease is None:
        yield Taken(done=False)
        return
    with lease:
        if number == 1 and _done_meanwhile(planned, place):
            yield Taken(done=True)
        else:
            yield from _claimed(planned, place, number, lease)


def _done_meanwhile(planned: PlannedRun, place: Place) -> bool:
    """Whether another sweep has done with a run since this one planned it; what it left half done is gone on with."""
    seen, now = place.seen.get(planned.run_id), standing(place.store, planned.run_id)
    if seen is None or seen == now:
        return False
    last = outcome(place.store, planned.run_id)
    return now[0] > seen[0] or (isinstance(last, Failure) and last.state in DONE)


def _claimed(planned: PlannedRun, place: Place, number: int, lease: Lease) -> Iterator[Event]:
    state: State
    try:
        yield from Run(planned, place, lease).events()
        return
    except Interrupted as fault:
        state, reason = "interrupted", str(fault)
    except Diverged as fault:
        state, reason = "diverged", str(fault)
    except (torch.OutOfMemoryError, MemoryError) as fault:
        config, peak = planned.config, peak_memory(place.device)["device_peak"]
        state = "oom"
        reason = f"out of memory at batch {config.batch_size}, crop {config.crop_px}, peak {peak} bytes ({fault})"
    except BenchError as fault:
        if fault.code in (ExitCode.ENVIRONMENT, ExitCode.STORE):
            raise
        state, reason = "data" if fault.code == ExitCode.DATA else "failed", str(fault)
    except Exception as fault:
        if os.environ.get("BENCH_DEBUG") == "1":
            raise
        place.explain(fault)
        state, reason = "failed", f"{type(fault).__name__}: {fault}"
    device = machine.device_label(place.device, torch.get_num_threads())
    yield note(planned, place, state, reason, number, device)
