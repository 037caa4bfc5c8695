"""One fresh process of a measurement: a request on stdin -> words on stdout, readings in a folder.

Started by `bench.run.timing_child` as `python -m bench.run.timing_process`.  The first line of stdin is a Request; the
end of stdin means that the parent is gone, and ends this process too.  Each line of stdout is a JSON object: `facts`
(once, before anything is timed), `what` and `fraction` (now and then), `refused` (no figure can be had here).  Whoever
else writes to stdout is led to stderr.  Nothing is stored here: the parent does that, or does not.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.spec import JSON, BenchError, Frozen, Timing, Workload

if TYPE_CHECKING:
    from torch import nn

    from bench.cost.stopping import Limits

TIMINGS, SAMPLES = "timings.json", "samples.npz"
"""The two files that a process leaves in its folder."""


class Request(Frozen):
    """What one process is to time, on which device; multiply-adds are per image and in the order of `workloads`."""

    workloads: tuple[Workload, ...]
    macs: tuple[int | None, ...]
    winograd_macs: tuple[int | None, ...]
    device: str
    threads: int
    seed: int
    budget_s: float | None
    energy: bool
    folder: str


class Facts(Frozen):
    """The surroundings, as `bench.machine` tells them from inside this process."""

    machine: dict[str, JSON]
    software: dict[str, JSON]
    label: str
    slug: str


class Readings(Frozen):
    """What a session gave, without the raw readings."""

    timings: tuple[Timing, ...]
    canaries: dict[str, JSON]
    conditions: dict[str, JSON]


def main() -> None:
    """Serve the request on stdin; any fault that is no BenchError leaves as a traceback on stderr."""
    words = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = Request.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()

    def tell(**said: Any) -> None:
        print(json.dumps(said), file=words, flush=True)

    try:
        serve(request, tell)
    except BenchError as fault:
        tell(refused={"problem": fault.problem, "remedy": fault.remedy, "key": fault.key, "code": int(fault.code)})


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def serve(request: Request, tell: Callable[..., None]) -> None:
    """Time what is asked for and leave the readings in `request.folder`."""
    import numpy as np
    import torch

    from bench import machine
    from bench.cost.session import measure_session
    from bench.names.code import models_of_others

    device, surroundings = request.device, machine.describe(request.device)
    facts = Facts(
        machine=surroundings,
        software={**machine.software(), **models_of_others(w.model.name for w in request.workloads)},
        label=machine.device_label(device, request.threads, surroundings),
        slug=machine.device_slug(device, request.threads, surroundings),
    )
    tell(facts=facts.model_dump(mode="json"))
    with machine.watch(device) as watch:
        session = measure_session(
            request.workloads,
            functools.partial(build, seed=request.seed),
            device=torch.device(device),
            limits=limits(device, request.budget_s),
            threads=request.threads,
            seed=request.seed,
            macs=_looked_up(request, request.macs),
            winograd_macs=_looked_up(request, request.winograd_macs),
            facts=surroundings,
            watch=watch,
            energy=request.energy,
            tell=lambda what, fraction: tell(what=what, fraction=fraction),
        )
    readings = Readings(timings=session.timings, canaries=session.canaries, conditions=session.conditions)
    folder = Path(request.folder)
    np.savez(folder / SAMPLES, **session.samples)  # type: ignore[arg-type]
    (folder / TIMINGS).write_text(readings.model_dump_json(), encoding="utf-8")


def build(workload: Workload, *, seed: int = 0) -> nn.Module:
    """The deployed network of a workload with random weights, on the CPU."""
    import torch

    from bench import names

    torch.manual_seed(seed)
    deployed: nn.Module = names.build("model", workload.model, workload.num_classes).deployed()
    return deployed


def _looked_up(request: Request, counts: tuple[int | None, ...]) -> Callable[[Workload], int | None]:
    known = dict(zip(map(str, request.workloads), counts, strict=True))
    return lambda workload: known[str(workload)]


def limits(device: str, budget_s: float | None) -> Limits | None:
    """The stop rule of this kind of device with another cap per workload; None leaves it as it is."""
    from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS

    usual = GPU_LIMITS if device.startswith("cuda") else CPU_LIMITS
    return None if budget_s is None else dataclasses.replace(usual, cap_s=budget_s)


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # taking torch apart again takes a second, and all that counts is on the disk
