"""The models of a sweep -> their cost records, each told in a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bench.cli.console import say
from bench.run.place import Place
from bench.spec import Component, CostRecord, Sweep, printable


def measure_all(sweep: Sweep, costs: list[tuple[Component, int]], place: Place) -> Iterator[CostRecord | None]:
    """Measure each model, one after the other, while nothing trains; one that cannot be measured is None, and said."""
    if not costs or not sweep.cost:
        return
    from bench.run.costs import measure

    height, width = sweep.cost.size
    say(f"counting and timing {len(costs)} models at {width}x{height}", sys.stderr)
    for number, (model, classes) in enumerate(costs, 1):
        if place.stop():
            return
        what = f"[{number}/{len(costs)}] cost of {model.name} at {width}x{height}"
        try:
            record = measure(sweep.cost, model, classes, place)
        except Exception as fault:
            say(f"{what}: not measured: {printable(' '.join(str(fault).split()), 200)}", sys.stderr)
            yield None
            continue
        macs = f"{record.params_deployed:,} parameters, {record.macs / 1e9:.3f} GMAC"
        say(f"{what} on {record.device}: {macs}, {_timing(record)}", sys.stderr)
        yield record


def _timing(record: CostRecord) -> str:
    from bench.cost.statistics import describe

    found = describe(record.latency) if record.latency else None
    if found is None:
        return record.latency_refused or "latency not asked for"
    return f"{found.mean:.2f} ± {'n/a' if found.std is None else f'{found.std:.2f}'} ms (n = {found.n})"
