"""A planned run -> what came of it, whatever that is: a stored record or a stored failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

import torch

from bench import machine
from bench.run.events import Diverged, Event, Interrupted, utc_now
from bench.run.memory import peak_memory
from bench.run.place import Place
from bench.run.training import Run
from bench.spec import BenchError, ExitCode, Failure, PlannedRun


def attempt(planned: PlannedRun, place: Place) -> Iterator[Event]:
    """Run `planned` and store what comes of it; the last event is its RunRecord or its Failure.

    Faults of this run (an exception, a loss that is not finite, memory that ran out, bad data) become a stored Failure.
    Raises BenchError for faults of the place (a full disk, a store that cannot be written): no other run would fare
    better, and this one is left to be gone on with.
    """
    state: Literal["failed", "diverged", "oom", "data", "interrupted"]
    try:
        yield from Run(planned, place).events()
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
        state, reason = "failed", f"{type(fault).__name__}: {fault}"
    failure = Failure(
        run_id=planned.run_id,
        name=planned.name,
        sweep=place.sweep,
        config=planned.config,
        state=state,
        reason=" ".join(reason.split())[:500],
        device=machine.device_label(place.device, torch.get_num_threads()),
        finished_utc=utc_now(),
    )
    place.store.add_failure(failure)
    yield failure
