"""The models of a sweep -> counted and timed while nothing trains, each told in a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from bench.cli.console import say
from bench.cli.timing_progress import timing_display
from bench.plan import CostLeft, eager
from bench.run.place import Place
from bench.spec import CostRequest, Sweep, Workload, printable


def measure_all(sweep: Sweep, costs: Sequence[CostLeft], place: Place) -> Iterator[Any]:
    """Count and time the models, all of them in the same fresh processes; gives each, None where it could not be had.

    Ends early when somebody asks to stop; what has been measured by then is stored.
    """
    request = sweep.cost
    if not costs or not request:
        return
    lost = _count(costs, request, place)
    if not place.stop():
        lost |= _time([c for c in costs if c.to_time and id(c) not in lost], request, place)
    if not place.stop():
        yield from (None if id(c) in lost else c for c in costs)


def _count(costs: Sequence[CostLeft], request: CostRequest, place: Place) -> set[int]:
    """Count what is left to count; returns which could not be."""
    from bench.run.costs import count

    lost, todo = set(), [c for c in costs if c.to_count]
    for number, cost in enumerate(todo, 1):
        if place.stop():
            break
        what = f"[{number}/{len(todo)}] {cost.model.name} at {_size(request)}"
        try:
            record = count(cost.model, cost.num_classes, request.size, place)
        except Exception as fault:
            say(f"{what}: not counted: {_line(fault)}", sys.stderr)
            lost.add(id(cost))
            continue
        say(f"{what}: {record.params_deployed:,} parameters, {record.macs / 1e9:.3f} GMAC", sys.stderr)
    return lost


def _time(costs: Sequence[CostLeft], request: CostRequest, place: Place) -> set[int]:
    """Time what is left to time; returns which could not be in any process."""
    if not costs:
        return set()
    from bench.cli.timing_table import told
    from bench.run.latency import Asked, Finished, measure_latency

    own = {id(c): eager(c.model, c.num_classes, request) for c in costs}
    asked = Asked(
        workloads=tuple(workloads(own.values(), place.device)),
        device=place.device,
        repeats=request.repeats,
        budget_s=request.budget_s,
    )
    finished: list[Finished] = []
    try:
        with timing_display(asked) as shown:
            for event in measure_latency(asked, place.store, stop=place.stop):
                shown.event(event)
                finished += [event] if isinstance(event, Finished) else []
    except Exception as fault:
        say(f"not timed: {_line(fault)}", sys.stderr)
    for line in told(finished):
        say(line, sys.stderr)
    timed = {str(t.workload) for event in finished for t in event.record.timings if t.failed is None}
    return {key for key, workload in own.items() if str(workload) not in timed}


def workloads(plain: Sequence[Workload] | Any, device: str) -> list[Workload]:
    """Eager ones, each on a card followed by the same as a graph."""
    modes = ("eager", "graph") if device.startswith("cuda") else ("eager",)
    return [w.model_copy(update={"mode": mode}) for w in plain for mode in modes]


def _size(request: CostRequest) -> str:
    height, width = request.size
    return f"{width}x{height}"


def _line(fault: Exception) -> str:
    return printable(" ".join(str(fault).split()), 200)
